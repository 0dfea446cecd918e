// Rounding errors of the convolution algorithms beside float64, on normal random inputs and weights, and with float16 weights where
// kernels read them; then what these do to the logits of whole nets: node bench/rounding.mjs [--write]
// max |Δ| ÷ max |y|, and in parentheses the root mean square of Δ ÷ that of y. They do not depend on the machine's speed.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { convAlgorithms, planConvForward } from "../dist/backend/conv/plan.js";
import { backendKinds } from "../dist/backend/options.js";
import { createBackend } from "../dist/backend/select.node.js";
import { convGeometry, convOutHeight } from "../dist/core/conv-geometry.js";
import { Rng } from "../dist/core/rng.js";
import { createSession, fold, loadModel, repvgg } from "../dist/index.js";
import { command, writeResults } from "./lib.mjs";

const { values: options } = parseArgs({ options: { write: { type: "boolean", default: false } } });

/** [channels in and out, side of the input, stride] of 3×3 convolutions with padding 1. */
const layers = [
  [16, 28, 1],
  [192, 14, 1],
  [384, 14, 1],
  [192, 28, 2],
];

function problem([channels, side, stride]) {
  const g = convGeometry({
    ...{ batch: 1, height: side, width: side, inChannels: channels, outChannels: channels },
    ...{ kernel: 3, stride, padding: 1 },
  });
  const rng = new Rng(1);
  const x = Float32Array.from({ length: side * side * channels }, () => rng.normal());
  const w = Float32Array.from({ length: 9 * channels * channels }, () => rng.normal() / Math.sqrt(9 * channels));
  return { g, x, w, y: convolve(g, x, w) };
}

/** NHWC input, HWIO weights, in float64. */
function convolve({ inChannels, outChannels, height, strideHeight: stride, ...rest }, x, w) {
  const out = convOutHeight({ inChannels, outChannels, height, strideHeight: stride, ...rest });
  const y = new Float64Array(out * out * outChannels);
  for (let at = 0; at < out * out * 9; at++) {
    const [position, tap] = [Math.floor(at / 9), at % 9];
    const row = Math.floor(position / out) * stride + Math.floor(tap / 3) - 1;
    const column = (position % out) * stride + (tap % 3) - 1;
    if (row < 0 || column < 0 || row >= height || column >= height) continue;
    for (let i = 0; i < inChannels; i++) {
      const input = x[(row * height + column) * inChannels + i];
      const [from, to] = [(tap * inChannels + i) * outChannels, position * outChannels];
      for (let o = 0; o < outChannels; o++) y[to + o] += input * w[from + o];
    }
  }
  return y;
}

function errorsOf(backend, algorithm, { g, x, w, y }, halfWeights) {
  const { lanes, panelColumns, microRows, threads } = backend;
  const plan = planConvForward(g, { lanes, panelColumns, microRows, threads, halfWeights }, algorithm);
  const put = (values) => {
    const pointer = backend.allocate(values.length);
    backend.f32(pointer, values.length).set(values);
    return pointer;
  };
  const [input, weight] = [put(x), put(w)];
  const [packed, output] = [backend.allocate(plan.packedWords), backend.allocate(y.length)];
  backend.run(plan.pack(weight, packed));
  backend.run(plan.run({ input, packed, output, workspace: backend.allocate(plan.workspaceWords) }));
  return errors(backend.f32(output, y.length), y);
}

function errors(result, expected) {
  const squares = (values) => values.reduce((sum, value) => sum + value * value, 0);
  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const differences = expected.map((value, i) => result[i] - value);
  return { max: largest(differences) / largest(expected), rms: Math.sqrt(squares(differences) / squares(expected)) };
}

/** Logits with float16 weights beside those with float32 weights, on a normal random picture. */
async function netErrors(backend, model) {
  const { size, channels } = model.metadata.preprocessing;
  const rng = new Rng(2);
  const picture = Float32Array.from({ length: channels * size[0] * size[1] }, () => rng.normal());
  const logits = [false, true].map(async (halfWeights) => {
    const session = await createSession(model, { backend, halfWeights });
    const [output] = Object.values(session.run(picture));
    session.dispose();
    return Float64Array.from(output.data);
  });
  const [expected, halves] = await Promise.all(logits);
  return errors(halves, expected);
}

function tell(backend, what, how, { max, rms }) {
  console.log([backend.name, what, how, `${max.toExponential(1)} (${rms.toExponential(1)})`].join("  "));
}

const problems = layers.map(problem);
const shipped = "assets/models/cifar10/train.safetensors"; // whose fold is not float16 as the file is
const nets = [
  ["A0, fresh weights", fold(repvgg("A0", { statistics: "seeded" }))],
  [shipped, fold(await loadModel(fileURLToPath(new URL(`../${shipped}`, import.meta.url))))],
];
const results = [];
for (const kernels of backendKinds) {
  const backend = await createBackend({ kernels, threads: 1 }).catch((error) => console.error(error.message));
  if (!backend) continue;
  for (const each of problems) {
    for (const algorithm of convAlgorithms(each.g, "forward", backend)) {
      for (const halfWeights of backend.readsHalves ? [false, true] : [false]) {
        const { max, rms } = errorsOf(backend, algorithm, each, halfWeights);
        const { inChannels: channels, height: side, strideHeight: stride } = each.g;
        results.push({ kernels: backend.name, channels, side, stride, algorithm, halfWeights, max, rms });
        const layer = `${side}×${side}${stride === 1 ? "" : " / 2"}, ${channels} → ${channels}`;
        tell(backend, layer, algorithm + (halfWeights ? ", float16 weights" : ""), { max, rms });
      }
    }
  }
  if (backend.readsHalves) {
    for (const [name, model] of nets) {
      const { max, rms } = await netErrors(backend, model);
      results.push({ kernels: backend.name, net: name, halfWeights: true, max, rms });
      tell(backend, name, "logits, float16 weights beside float32", { max, rms });
    }
  }
  backend.dispose();
}
if (options.write) writeResults("rounding", { command, results });
