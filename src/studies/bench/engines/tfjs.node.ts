import { createRequire } from "node:module";
import { dirname } from "node:path";
import type * as Tf from "@tensorflow/tfjs";
import { toFloat32 } from "../../../core/named-arrays.js";
import { loadNet } from "../../../exchange/load-net.node.js";
import { intAttribute, intsAttribute } from "../../../graph/attributes.js";
import { fold } from "../../../graph/fold.js";
import type { Graph, GraphNode } from "../../../graph/graph.js";
import { windowOf } from "../../../graph/window.js";
import { type BenchEngine, EngineAbsent } from "../job.js";

/**
 * TensorFlow.js on its WebAssembly backend. It reads no ONNX, so that the graph, BatchNorm folded, is built from its own operations:
 * convolutions with bias and ReLU fused, as its converter does it.
 */
export const tfjs: BenchEngine = async ({ modelPath, threads }) => {
  // Its build with threads starts in browsers only (tfjs-backend-wasm, flags_wasm: IS_NODE).
  if (threads > 1) throw new EngineAbsent("has no threads in Node");
  const { tf, wasm } = await load();
  const require = createRequire(import.meta.url);
  wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"))}/dist/`);
  await tf.setBackend("wasm");
  const { graph } = fold((await loadNet(modelPath)).graph);
  const build = tfGraph(tf, graph);
  return {
    description: `tfjs ${tf.version_core} wasm`,
    run(inputs) {
      const output = tf.tidy(() => build(inputs));
      const data = output.dataSync<"float32">();
      output.dispose();
      return data;
    },
  };
};

async function load() {
  try {
    const [tf, wasm] = await Promise.all([import("@tensorflow/tfjs"), import("@tensorflow/tfjs-backend-wasm")]);
    return { tf, wasm };
  } catch (error) {
    throw new EngineAbsent(`not installed (${(error as NodeJS.ErrnoException).code ?? error})`);
  }
}

type Values = Map<string, Tf.Tensor>;
type Run = (values: Values) => void;

/** A function from inputs (NCHW) to the first output; weights are made ready once. */
function tfGraph(tf: typeof Tf, graph: Graph) {
  const steps: Run[] = [];
  const absorbed = new Set<GraphNode>();
  for (const node of graph.nodes) {
    if (absorbed.has(node)) continue;
    const readers = graph.nodes.filter((other) => other.inputs.includes(node.outputs[0]!));
    const relu = readers.length === 1 && readers[0]!.op === "Relu" ? readers[0]! : undefined;
    const fused = relu && (node.op === "Conv" || node.op === "Gemm") ? relu : undefined;
    if (fused) absorbed.add(fused);
    steps.push(step(tf, graph, node, (fused ?? node).outputs[0]!, fused !== undefined));
  }
  const output = graph.outputs[0]!.name;
  return (inputs: Parameters<Awaited<ReturnType<BenchEngine>>["run"]>[0]): Tf.Tensor => {
    const values: Values = new Map();
    for (const [name, { shape, data }] of Object.entries(inputs)) {
      const image = tf.tensor(data, [...shape]);
      values.set(name, shape.length === 4 ? tf.transpose(image, [0, 2, 3, 1]) : image);
    }
    for (const run of steps) run(values);
    return values.get(output)!;
  };
}

function step(tf: typeof Tf, graph: Graph, node: GraphNode, output: string, relu: boolean): Run {
  const input = <T extends Tf.Tensor = Tf.Tensor4D>(values: Values, i = 0): T => values.get(node.inputs[i]!) as T;
  const put = (f: (values: Values) => Tf.Tensor): Run => {
    return (values) => void values.set(output, f(values));
  };
  const constant = (i: number) => graph.initializers.get(node.inputs[i] ?? "");
  const activation = relu ? "relu" : "linear";
  const bias = constant(2) && tf.keep(tf.tensor1d(toFloat32(constant(2)!)));
  switch (node.op) {
    case "Conv": {
      const weight = constant(1);
      if (!weight || intAttribute(node, "group", 1) !== 1) break;
      const filter = tf.tidy(() =>
        tf.keep(tf.transpose(tf.tensor4d(toFloat32(weight), [...weight.shape] as Four), [2, 3, 1, 0])),
      );
      const { strides, pads } = windowOf(node, weight.shape.slice(2));
      const common = { filter, strides: strides as [number, number], pad: explicit(pads!), activation } as const;
      return put((values) => tf.fused.conv2d({ x: input(values), ...common, ...(bias && { bias }) }));
    }
    case "Gemm": {
      const weight = constant(1);
      if (!weight) break;
      const transposed = intAttribute(node, "transB", 0) === 1;
      // Turned here, once: its fused product with transposeB gives wrong numbers (4.22, wasm).
      const b = tf.tidy(() => {
        const given = tf.tensor2d(toFloat32(weight), [...weight.shape] as [number, number]);
        return tf.keep(transposed ? tf.transpose(given) : given);
      });
      const common = { b, activation } as const;
      return put((values) => tf.fused.matMul({ a: input<Tf.Tensor2D>(values), ...common, ...(bias && { bias }) }));
    }
    case "Relu":
      return put((values) => tf.relu(input(values)));
    case "Add":
      return put((values) => tf.add(input(values), input(values, 1)));
    case "MaxPool": {
      const { kernel, strides, pads } = windowOf(node, intsAttribute(node, "kernel_shape") ?? []);
      // The pool's own padding cannot be unequal. Zeros may stand for −∞ behind a ReLU only.
      const behindRelu = graph.nodes.some(({ op, outputs }) => op === "Relu" && outputs[0] === node.inputs[0]);
      if (!behindRelu && pads!.some((count) => count > 0)) break;
      const pad = explicit(pads!);
      const pool = [kernel as [number, number], strides as [number, number]] as const;
      return put((values) => tf.maxPool(tf.pad(input(values), pad), pool[0], pool[1], "valid"));
    }
    case "GlobalAveragePool":
      return put((values) => tf.mean(input(values), [1, 2]));
    case "Flatten":
      if (graph.nodes.some((other) => other.op === "GlobalAveragePool" && other.outputs[0] === node.inputs[0])) {
        return put((values) => input(values));
      }
  }
  throw new EngineAbsent(`this benchmark does not build ${node.op} "${node.name}" for it`);
}

type Four = [number, number, number, number];
type Pads = [[number, number], [number, number], [number, number], [number, number]];

/** (top, left, bottom, right) as pairs of NHWC. */
function explicit(pads: readonly number[]): Pads {
  const [top, left, bottom, right] = pads as Four;
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}
