import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { writeOnnxFile } from "#repvgg/formats/onnx/file.node.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { convAttributes, node, valueInfo } from "#repvgg/graph/build.js";
import type { Dimension, Graph, GraphNode } from "#repvgg/graph/graph.js";
import { defaultEnvelope, toOnnx } from "#repvgg/graph/to-onnx.js";

export interface CnnOptions {
  /** What the input is declared as. Default [batch, 3, height, width]. */
  readonly input?: readonly Dimension[];
  readonly layout?: "nchw" | "nhwc";
  readonly classes?: number;
  /** Operators behind the logits, each on the last one's output. */
  readonly head?: readonly string[];
  /** The graph's output is declared so. Default [batch, classes]. */
  readonly output?: readonly Dimension[];
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A small CNN as anybody exports it, none of ours: two branches with BatchNorm that fold, ReLU, mean over positions, a linear layer. */
export function plainCnn(options: CnnOptions = {}): Graph {
  const { layout = "nchw", classes = 4, head = [] } = options;
  const { input = layout === "nchw" ? ["batch", 3, "height", "width"] : ["batch", "height", "width", 3] } = options;
  const random = rngFor(3, "plain cnn");
  const numbers = (shape: readonly number[], scale: number, shift = 0): NamedArray => {
    const array = f32(shape);
    for (let i = 0; i < array.data.length; i++) array.data[i] = (random.normal() * scale + shift) as never;
    return array;
  };
  const norm = (name: string): [string, NamedArray][] => [
    [`${name}.g`, numbers([8], 0.1, 1)],
    [`${name}.b`, numbers([8], 0.1)],
    [`${name}.m`, numbers([8], 0.1)],
    [`${name}.v`, numbers([8], 0.01, 1)],
  ];
  const normed = (name: string, x: string): GraphNode =>
    node(
      "BatchNormalization",
      `${name}.bn`,
      [x, ...["g", "b", "m", "v"].map((part) => `${name}.${part}`)],
      [`${name}.n`],
    );
  const first = layout === "nchw" ? "picture" : "turned";
  const tail = head.map((op, i) =>
    node(
      op,
      `head${i}`,
      [i === 0 ? "logits" : `out${i - 1}`],
      [`out${i}`],
      op.includes("oftmax") ? { axis: int(1) } : {},
    ),
  );
  return {
    name: "cnn",
    inputs: [valueInfo("picture", input)],
    outputs: [valueInfo(head.length > 0 ? `out${head.length - 1}` : "logits", options.output ?? ["batch", classes])],
    initializers: new Map([
      ["a.w", numbers([8, 3, 3, 3], 0.5)],
      ["c.w", numbers([8, 3, 1, 1], 0.5)],
      ...norm("a"),
      ...norm("c"),
      ["fc.w", numbers([8, classes], 1)],
    ]),
    nodes: [
      ...(layout === "nhwc" ? [node("Transpose", "turn", ["picture"], ["turned"], { perm: ints([0, 3, 1, 2]) })] : []),
      node("Conv", "a", [first, "a.w"], ["a"], convAttributes({ kernel: 3, stride: 2, padding: 1 })),
      normed("a", "a"),
      node("Conv", "c", [first, "c.w"], ["c"], convAttributes({ kernel: 1, stride: 2 })),
      normed("c", "c"),
      node("Add", "sum", ["a.n", "c.n"], ["sum"]),
      node("Relu", "relu", ["sum"], ["relu"]),
      node("GlobalAveragePool", "pool", ["relu"], ["pool"]),
      node("Flatten", "flat", ["pool"], ["flat"]),
      node("MatMul", "fc", ["flat", "fc.w"], ["logits"]),
      ...tail,
    ],
  };
}

export async function writeCnn(path: string, options: CnnOptions = {}): Promise<string> {
  const metadataProps = Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value }));
  await writeOnnxFile(path, toOnnx(plainCnn(options), { ...defaultEnvelope, producerName: "anybody", metadataProps }));
  return path;
}
