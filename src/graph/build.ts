import type { NamedArray } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import { float, int, ints } from "./attributes.js";
import type { AttributeValue, Dimension, Graph, GraphNode, ValueInfo } from "./graph.js";

/** A node of the default ONNX domain. @param opset the operator set that it is written in, where that matters */
export function node(
  op: string,
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  opset?: number,
): GraphNode {
  return { name, op, domain: "", ...(opset !== undefined && { opset }), inputs, outputs, attributes };
}

/** A float32 value's name and shape, for a graph's inputs and outputs. */
export function valueInfo(name: string, shape: readonly Dimension[], dtype: NamedArray["dtype"] = "f32"): ValueInfo {
  return { name, dtype, shape };
}

/** A one-dimensional int64 array: shapes, axes, pads. */
export function int64(values: readonly number[]): NamedArray {
  return { dtype: "i64", shape: [values.length], data: BigInt64Array.from(values, (v) => BigInt(v)) };
}

/** Attributes of a square convolution with symmetric padding, all of ONNX's written out. */
export function convAttributes(options: {
  readonly kernel: number | readonly [number, number];
  readonly stride?: number;
  readonly padding?: number | readonly [number, number];
  readonly dilation?: number;
  readonly groups?: number;
}): Record<string, AttributeValue> {
  const { kernel, stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const pads = typeof padding === "number" ? [padding, padding] : padding;
  return {
    dilations: ints([dilation, dilation]),
    group: int(groups),
    kernel_shape: ints(typeof kernel === "number" ? [kernel, kernel] : kernel),
    pads: ints([...pads, ...pads]),
    strides: ints([stride, stride]),
  };
}

/**
 * Collects nodes and initializers in order. Each method adds one node, named after the value that it gives, and returns that
 * value's name.
 */
export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly initializers = new Map<string, NamedArray>();
  readonly #names = new Set<string>();

  /** A constant; "" for undefined, ONNX's absent input. */
  constant(name: string, value: NamedArray | undefined): string {
    if (value === undefined) return "";
    this.initializers.set(name, value);
    return name;
  }

  /** Any node with one output. */
  add(
    op: string,
    output: string,
    inputs: readonly string[],
    attributes: Record<string, AttributeValue> = {},
    opset?: number,
  ): string {
    this.nodes.push(node(op, this.#unique(output), inputs, [output], attributes, opset));
    return output;
  }

  /** A convolution with initializers `<output>.weight` and, where there is a bias, `<output>.bias`. `weight` is [O, I/groups, kh, kw]. */
  conv(
    output: string,
    input: string,
    weight: NamedArray,
    options: {
      bias?: NamedArray;
      stride?: number;
      padding?: number | readonly [number, number];
      dilation?: number;
      groups?: number;
    } = {},
  ): string {
    const { bias, ...geometry } = options;
    const kernel = [weight.shape[2], weight.shape[3]] as const;
    const inputs = [input, this.constant(`${output}.weight`, weight)];
    if (bias) inputs.push(this.constant(`${output}.bias`, bias));
    return this.add("Conv", output, inputs, convAttributes({ kernel, ...geometry }));
  }

  /** BatchNormalization in inference mode, with PyTorch's names for its initializers. */
  batchNorm(
    output: string,
    input: string,
    statistics: { weight: NamedArray; bias: NamedArray; mean: NamedArray; variance: NamedArray },
    epsilon = 1e-5,
  ): string {
    const inputs = [
      input,
      this.constant(`${output}.weight`, statistics.weight),
      this.constant(`${output}.bias`, statistics.bias),
      this.constant(`${output}.running_mean`, statistics.mean),
      this.constant(`${output}.running_var`, statistics.variance),
    ];
    return this.add("BatchNormalization", output, inputs, { epsilon: float(epsilon) });
  }

  graph(name: string, inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): Graph {
    return { name, inputs, outputs, nodes: [...this.nodes], initializers: new Map(this.initializers) };
  }

  #unique(name: string): string {
    const unique = uniqueName(name, this.#names);
    this.#names.add(unique);
    return unique;
  }
}

/** `name`, or `name_1`, `name_2`, … : the first that is not taken. */
export function uniqueName(name: string, taken: { has(name: string): boolean }): string {
  if (!taken.has(name)) return name;
  let suffix = 1;
  while (taken.has(`${name}_${suffix}`)) suffix++;
  return `${name}_${suffix}`;
}

/** Names that are taken. */
export class Names {
  readonly #taken: Set<string>;
  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  /** The name, or with a suffix the first that is free ({@link uniqueName}); it is taken then. */
  take(name: string): string {
    const unique = uniqueName(name, this.#taken);
    this.#taken.add(unique);
    return unique;
  }
}

/** Number of weights and other constants in a graph: initializers, and what Constant nodes hold (Paddle writes weights so). */
export function parameterCount({ initializers, nodes }: Graph): number {
  const stored = nodes.flatMap(({ op, domain, attributes: { value } }) =>
    op === "Constant" && domain === "" && value?.type === "tensor" ? [value.value] : [],
  );
  return [...initializers.values(), ...stored].reduce((total, { shape }) => total + elementCount(shape), 0);
}
