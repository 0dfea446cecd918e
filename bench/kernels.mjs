// Time and throughput of the convolution kernels, layer by layer of RepVGG-A0 (a0), A2 (a2), or the depthwise ones of MobileNet (mobilenet):
// node bench/kernels.mjs [options]
//   --sets a0-224x1,a0-32x64 (default: what kernels/kernels.def says of each kernel)   --roles forward,backward-data,backward-weight   --threads 1   --passes 7   --kernel 3×3   --backend native   --json
// All layers run once a pass, one after another, so that each finds its weights as cold as in a net; the best pass counts (noise only adds).
// GFLOP/s "direct" counts every product of the plain convolution, padding included (2 · MACs), as is usual; "real" counts
// what the algorithm multiplies. "of peak" is real ÷ the micro-kernel's own peak on as many threads, "of memory" the time that packed
// weights, input and output take at the rate at which memory is read, ÷ the layer's, same run. "bound" names what is left to gain: see boundOf.
import { parseArgs } from "node:util";
import { measurePeaks } from "../dist/analysis/profile/peaks.js";
import {
  convAlgorithms,
  convCost,
  planConvBackwardData,
  planConvBackwardWeight,
  planConvForward,
} from "../dist/backend/conv/plan.js";
import { createBackend } from "../dist/backend/select.node.js";
import { convGeometry, convMacs, convOutHeight, convOutWidth } from "../dist/core/conv-geometry.js";
import { readKernels } from "../scripts/kernel-list.mjs";

/** By kernel: the sets of layers that its bench runs. */
const setsOf = new Map(readKernels().flatMap(({ name, nets }) => (nets ? [[name, nets]] : [])));

const { values: options } = parseArgs({
  options: {
    sets: { type: "string" },
    roles: { type: "string", default: "forward,backward-data,backward-weight" },
    threads: { type: "string", default: "1" },
    passes: { type: "string", default: "7" },
    all: { type: "boolean", default: false },
    kernel: { type: "string", default: "" },
    backend: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

/** Widths and depths of the stages. */
const nets = {
  a0: [
    [48, 1],
    [48, 2],
    [96, 4],
    [192, 14],
    [1280, 1],
  ],
  a2: [
    [64, 1],
    [96, 2],
    [192, 4],
    [384, 14],
    [1408, 1],
  ],
};

/** MobileNet's depthwise layers: channels, stride, how often (Howard et al. 2017, table 1). */
const mobilenet = [
  [32, 1, 1],
  [64, 2, 1],
  [128, 1, 1],
  [128, 2, 1],
  [256, 1, 1],
  [256, 2, 1],
  [512, 1, 5],
  [512, 2, 1],
  [1024, 1, 1],
];

function depthwiseLayers(size, batch) {
  let at = Math.ceil(size / 2);
  return mobilenet.map(([channels, stride, count]) => {
    const sizes = { batch, height: at, width: at, inChannels: channels, outChannels: channels };
    const geometry = convGeometry({ ...sizes, groups: channels, kernel: 3, stride, padding: 1 });
    at = Math.ceil(at / stride);
    return { name: `${channels}${stride > 1 ? " /2" : ""}`, count, geometry };
  });
}

/** The different convolutions of a net and how often each occurs. */
function layersOf(net, size, batch) {
  const layers = [];
  let [channels, at] = [3, size];
  for (const [stage, [width, depth]] of net.entries()) {
    const add = (name, count, kernel, stride, from) =>
      layers.push({
        name: `stage${stage}${name}`,
        count,
        geometry: convGeometry({
          ...{ batch, height: at, width: at, inChannels: from, outChannels: width },
          ...{ kernel, stride, padding: kernel === 3 ? 1 : 0 },
        }),
      });
    add(" 3×3/2", 1, 3, 2, channels);
    add(" 1×1/2", 1, 1, 2, channels);
    at = Math.ceil(at / 2);
    if (depth > 1) {
      add(" 3×3", depth - 1, 3, 1, width);
      add(" 1×1", depth - 1, 1, 1, width);
    }
    channels = width;
  }
  layers.push({
    name: "linear",
    count: 1,
    geometry: convGeometry({ batch, height: 1, width: 1, inChannels: channels, outChannels: 1000, kernel: 1 }),
  });
  return layers;
}

/** "a0-224x16": the net, the side of its input, the batch. */
function layersOfSet(set) {
  const [, net, size, batch] = /^(\w+)-(\d+)x(\d+)$/.exec(set);
  return net === "mobilenet"
    ? depthwiseLayers(Number(size), Number(batch))
    : layersOf(nets[net], Number(size), Number(batch));
}

const inputWords = (g) => g.batch * g.height * g.width * g.inChannels;
const outputWords = (g) => g.batch * convOutHeight(g) * convOutWidth(g) * g.outChannels;
const weightWords = (g) => (g.kernelHeight * g.kernelWidth * g.inChannels * g.outChannels) / g.groups;

function prepare(backend, layer, role, algorithm) {
  const g = layer.geometry;
  const x = backend.allocate(inputWords(g));
  const y = backend.allocate(outputWords(g));
  const w = backend.allocate(weightWords(g));
  for (const [at, length] of [
    [x, inputWords(g)],
    [y, outputWords(g)],
    [w, weightWords(g)],
  ]) {
    backend.f32(at, length).forEach((_, i, all) => {
      all[i] = ((i * 7919) % 1013) / 1013 - 0.5;
    });
  }
  const pointers = [x, y, w];
  const room = (words) => {
    pointers.push(backend.allocate(words));
    return pointers.at(-1);
  };
  const done = { layer, role, algorithm, times: [], packedWords: weightWords(g) };
  const compile = (calls) => {
    done.kernel = calls.map(({ kernel }) => kernel).find((kernel) => setsOf.has(kernel));
    done.program = backend.compile(calls);
  };
  if (role === "backward-weight") {
    const plan = planConvBackwardWeight(g, backend, algorithm);
    const workspace = room(plan.workspaceWords);
    done.algorithm = plan.algorithm;
    compile(plan.run({ input: x, outputGradient: y, weightGradient: w, workspace }));
  } else {
    const forward = role === "forward";
    const plan = (forward ? planConvForward : planConvBackwardData)(g, backend, algorithm);
    const packed = room(plan.packedWords);
    const pack = backend.compile(plan.pack(w, packed));
    const start = performance.now();
    pack.run();
    done.packTime = performance.now() - start;
    pack.dispose();
    done.packedWords = plan.packedWords;
    done.algorithm = plan.algorithm;
    const buffers = { packed, workspace: room(plan.workspaceWords), ...(forward && { relu: true, bias: w }) };
    compile(plan.run({ input: forward ? x : y, output: forward ? y : x, ...buffers }));
  }
  done.free = () => {
    done.program.dispose();
    for (const pointer of pointers) backend.free(pointer);
  };
  return done;
}

const best = (values) => Math.min(...values);

/** What takes most of a layer's time: the larger of both shares, or where three tenths are neither, what is beside the products. */
function boundOf(ofPeak, ofMemory, algorithm) {
  if (Math.max(ofPeak, ofMemory) < 0.7) return algorithm.startsWith("winograd") ? "transforms" : "overhead";
  return ofMemory > ofPeak ? "memory" : "multiply-adds";
}

const results = [];
for (const threads of options.threads.split(",").map(Number)) {
  const backend = await createBackend({ threads, ...(options.backend && { kernels: options.backend }) });
  const { gigaflops: peakRate, gigabytesPerSecond } = measurePeaks(backend);
  console.log(
    `\n${backend.name}, ${threads} thread(s), micro-kernel peak ${peakRate.toFixed(1)} GFLOP/s, memory ${gigabytesPerSecond.toFixed(1)} GB/s`,
  );
  for (const set of options.sets?.split(",") ?? new Set([...setsOf.values()].flat())) {
    for (const role of options.roles.split(",")) {
      const layers = layersOfSet(set).filter(
        ({ name }) => name.includes(options.kernel) && (role !== "backward-data" || name !== "stage0 3×3/2"),
      );
      const benches = layers.flatMap((layer) => {
        const algorithms = options.all ? convAlgorithms(layer.geometry, role, backend) : [undefined];
        return algorithms
          .map((algorithm) => prepare(backend, layer, role, algorithm))
          .filter((bench) => options.sets || setsOf.get(bench.kernel).includes(set) || bench.free());
      });
      for (let pass = 0; pass <= Number(options.passes); pass++) {
        for (const bench of benches) {
          const start = performance.now();
          bench.program.run();
          if (pass > 0) bench.times.push(performance.now() - start);
        }
      }
      console.log(`\n${set} ${role}`);
      console.log(
        "layer            ×   algorithm              pack ms       ms   direct     real   of peak of memory  bound",
      );
      let total = 0;
      for (const { layer, algorithm, times, packTime, packedWords, free } of benches) {
        const ms = best(times);
        const direct = (2 * convMacs(layer.geometry)) / ms / 1e6;
        const real = (2 * convCost(layer.geometry, role, algorithm, backend).multiplications) / ms / 1e6;
        const words = packedWords + inputWords(layer.geometry) + outputWords(layer.geometry);
        const [ofPeak, ofMemory] = [real / peakRate, (4 * words) / gigabytesPerSecond / 1e6 / ms];
        const bound = boundOf(ofPeak, ofMemory, algorithm);
        total += ms * layer.count;
        const cells = [
          layer.name.padEnd(14),
          String(layer.count).padStart(3),
          ` ${algorithm.padEnd(21)}`,
          (packTime?.toFixed(2) ?? "–").padStart(8),
          ms.toFixed(3).padStart(8),
          direct.toFixed(1).padStart(8),
          real.toFixed(1).padStart(8),
          `${(100 * ofPeak).toFixed(0)} %`.padStart(9),
          `${(100 * ofMemory).toFixed(0)} %`.padStart(9),
          ` ${bound}`,
        ];
        console.log(cells.join(" "));
        results.push({
          set,
          role,
          threads,
          layer: layer.name,
          count: layer.count,
          algorithm,
          ms,
          packTime,
          direct,
          real,
          ofPeak,
          ofMemory,
          bound,
        });
        free();
      }
      if (!options.all) console.log(`all layers ${total.toFixed(2)} ms`);
    }
  }
  backend.dispose();
}
if (options.json) console.log(JSON.stringify(results));
