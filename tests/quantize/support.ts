import { f32, toFloat32 } from "#repvgg/core/named-arrays.js";
import { Rng, rngFor } from "#repvgg/core/rng.js";
import { type MemoryDataset, memoryDataset } from "#repvgg/data/memory-dataset.js";
import { valueInfo } from "#repvgg/graph/build.js";
import { evaluate } from "#repvgg/graph/evaluate/evaluate.js";
import { toNamedArray } from "#repvgg/graph/evaluate/tensor64.js";
import type { Graph } from "#repvgg/graph/graph.js";
import type { CalibrationPictures, GraphRunner, RunValue } from "#repvgg/quantize/runner.js";
import { RandomNet } from "../graph/support.js";

/** Runs graphs by the operators' definitions: the oracle of every engine. */
export const evaluator: GraphRunner = {
  open: (graph) => ({
    run: (inputs) => {
      const given = new Map(Object.entries(inputs).map(([name, { shape, data }]) => [name, f32(shape, data)]));
      const values = [...evaluate(graph, given)].map(([name, value]): [string, RunValue] => {
        const array = toNamedArray(value);
        return [name, { shape: array.shape, data: toFloat32(array) }];
      });
      return Object.fromEntries(values);
    },
    dispose: () => {},
  }),
};

/** Random inputs as calibration pictures. */
export function randomPictures(shape: readonly number[], batches = 3, seed = 1): CalibrationPictures {
  const all = Array.from({ length: batches }, (_, i) => {
    const rng = rngFor(seed, "pictures", i);
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal());
    return { input: () => ({ shape, data }), size: shape[0]!, labels: undefined };
  });
  return { inputName: "x", count: batches * shape[0]!, batches: all };
}

/** conv 3→8, depthwise, grouped with stride, 1×1, pool and matrix, ReLUs between, biases everywhere. */
export function smallNet(seed = 3): Graph {
  const net = new RandomNet(seed);
  net.randomConv("a", "x", 3, 8, 3, { padding: 1, bias: true });
  net.add("Relu", "ar", ["a"]);
  net.randomConv("b", "ar", 8, 8, 3, { padding: 1, groups: 8, bias: true });
  net.add("Relu", "br", ["b"]);
  net.randomConv("c", "br", 8, 12, 3, { padding: 1, stride: 2, groups: 4, bias: true });
  net.add("LeakyRelu", "cr", ["c"]);
  net.randomConv("d", "cr", 12, 10, 1, { bias: true });
  net.add("Relu", "dr", ["d"]);
  net.add("GlobalAveragePool", "gap", ["dr"]);
  net.add("Flatten", "flat", ["gap"]);
  net.constant("w", matrix(net.rng, 10, 5));
  net.constant("wb", matrix(net.rng, 5));
  net.add("Gemm", "y", ["flat", "w", "wb"]);
  return net.graph("small", [valueInfo("x", ["n", 3, 8, 8])], [valueInfo("y", ["n", 5])]);
}

export function matrix(rng: Rng, ...shape: number[]) {
  return f32(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
  );
}

/** Runs a graph of one input. */
export function outputsOf(graph: Graph, input: RunValue, name = "x"): ReadonlyMap<string, Float64Array> {
  const values = evaluate(graph, new Map([[name, f32(input.shape, input.data)]]));
  return new Map([...values].map(([key, { data }]) => [key, data]));
}

/** Smooth blobs of colour, each class with a hue and a place of its own. */
export function blobs(count: number, classes = 4, size = 16): MemoryDataset {
  const rng = new Rng(11);
  const pixels = new Uint8Array(count * size * size * 3);
  const labels = Array.from({ length: count }, (_, i) => i % classes);
  for (const [i, label] of labels.entries()) {
    const [x, y] = [rng.uniform(0.2, 0.8) * size, ((label + 0.5) / classes) * size];
    for (let p = 0; p < size * size; p++) {
      const [dx, dy] = [(p % size) - x, Math.floor(p / size) - y];
      const near = Math.exp(-(dx * dx + dy * dy) / 12);
      for (let c = 0; c < 3; c++) {
        pixels[(i * size * size + p) * 3 + c] = Math.min(255, 40 + rng.int(30) + near * (60 + 60 * ((label + c) % 3)));
      }
    }
  }
  const classNames = Array.from({ length: classes }, (_, c) => String(c));
  return memoryDataset({ name: "blobs", classNames, channels: 3, height: size, width: size, pixels, labels });
}

export function noise(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [signal, difference] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    signal += a[i]! ** 2;
    difference += (a[i]! - b[i]!) ** 2;
  }
  return difference / signal;
}
