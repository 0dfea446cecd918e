// Time of single convolutions by every algorithm that can do them, as `createSession(…, { tune: true })` measures:
// node bench/layers.mjs "192 14 192 3 1" … [--threads 1] [--kernels native] [--compact] [--halves]
// A layer is "inputs side outputs kernel stride [groups]", one picture. Weights are as cold as in a net.
import { parseArgs } from "node:util";
import { Tuning } from "../dist/backend/conv/tuning.js";
import { createBackend } from "../dist/backend/select.node.js";
import { convGeometry, convMacs } from "../dist/core/conv-geometry.js";

const { values, positionals: layers } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1" },
    kernels: { type: "string" },
    compact: { type: "boolean", default: false },
    halves: { type: "boolean", default: false },
  },
});
const threads = Number(values.threads);
const backend = await createBackend({ threads, ...(values.kernels && { kernels: values.kernels }) });
const { lanes, panelColumns, microRows } = backend;
const target = { lanes, panelColumns, microRows, threads, compactWeights: values.compact, halfWeights: values.halves };
console.log(
  `${backend.name}, ${threads} thread(s)${values.compact ? ", compact weights" : ""}${values.halves ? ", float16 weights" : ""}`,
);

for (const layer of layers) {
  const [inChannels, side, outChannels, kernel, stride = 1, groups = 1] = layer.split(" ").map(Number);
  const geometry = convGeometry({
    ...{ batch: 1, height: side, width: side, inChannels, outChannels, kernel, stride, groups },
    padding: (kernel - 1) / 2,
  });
  const tuning = new Tuning();
  tuning.algorithmOf(geometry, target, backend);
  for (const [algorithm, time] of Object.entries(Object.values(tuning.records)[0].milliseconds)) {
    const rate = (2 * convMacs(geometry)) / time / 1e6;
    console.log(
      `${layer.padEnd(22)} ${algorithm.padEnd(18)} ${time.toFixed(3)} ms ${rate.toFixed(1).padStart(8)} GFLOP/s direct`,
    );
  }
}
backend.dispose();
