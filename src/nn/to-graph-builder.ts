import { UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { toFloat64 } from "../core/named-arrays.js";
import type { AttributeValue, GraphNode } from "../graph/graph.js";

/** Adds a summand's nodes when it is asked for. @param name of the value that they give; default: their own. @returns that name */
export type Summand = (name?: string) => string;

export interface NetConvOptions {
  /** Height and width, odd: padded by half of it. */
  readonly kernel: readonly [height: number, width: number];
  readonly stride: number;
  readonly groups: number;
  /** There is a bias. Default false. */
  readonly bias?: boolean;
  /** A kernel that is computed from the state, in place of the state's `<path>.weight`. */
  readonly weight?: NamedArray;
  /** Name of the value that it gives. Default: the path. */
  readonly output?: string | undefined;
}

/** Collects a net's nodes and the constants that they use. A node's value has the node's name unless told otherwise. */
export class NetGraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly initializers = new Map<string, NamedArray>();
  readonly #state: NamedArrays;
  readonly #epsilon: (path: string) => number;

  /** @param epsilon of the BatchNorm at a path */
  constructor(state: NamedArrays, epsilon: (path: string) => number) {
    this.#state = state;
    this.#epsilon = epsilon;
  }

  node(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output: string = name,
  ): string {
    this.nodes.push({ name, op, domain: "", inputs, outputs: [output], attributes });
    return output;
  }

  /** Arrays of the state as initializers: `<path>.<name>` of each. */
  constants(path: string, names: readonly string[]): string[] {
    return names.map((suffix) => {
      const name = `${path}.${suffix}`;
      this.initializers.set(name, this.#array(name));
      return name;
    });
  }

  /** An array of the state, for kernels that are computed from it. */
  numbers(name: string): { readonly shape: readonly number[]; readonly data: Float64Array } {
    const array = this.#array(name);
    return { shape: array.shape, data: toFloat64(array) };
  }

  conv(path: string, input: string, options: NetConvOptions): string {
    const { kernel, stride, groups, bias = false, weight, output = path } = options;
    const [top, left] = [(kernel[0] - 1) / 2, (kernel[1] - 1) / 2];
    const computed = `${path}.kernel`;
    if (weight) this.initializers.set(computed, weight);
    const inputs = [input, ...(weight ? [computed] : this.constants(path, ["weight"]))];
    if (bias) inputs.push(...this.constants(path, ["bias"]));
    return this.node(
      "Conv",
      path,
      inputs,
      {
        kernel_shape: ints(...kernel),
        strides: ints(stride, stride),
        pads: ints(top, left, top, left),
        dilations: ints(1, 1),
        group: int(groups),
      },
      output,
    );
  }

  batchNorm(path: string, input: string, output?: string): string {
    const constants = this.constants(path, ["weight", "bias", "running_mean", "running_var"]);
    return this.node(
      "BatchNormalization",
      path,
      [input, ...constants],
      { epsilon: { type: "float", value: this.#epsilon(path) } },
      output,
    );
  }

  /** The sum of one or more values, as the value `output`, by additions named `path`. */
  sum(path: string, output: string, summands: readonly Summand[]): string {
    const [only, ...more] = summands;
    if (more.length === 0) return only!(output);
    const [first, ...others] = summands.map((summand) => summand());
    return others.reduce(
      (sum, other, i) => this.node("Add", i === others.length - 1 ? output : path, [sum, other]),
      first!,
    );
  }

  #array(name: string): NamedArray {
    const array = this.#state.get(name);
    if (array) return array;
    throw new UserError({ expected: `a state with ${name}`, received: "none", remedy: "check the form" });
  }
}

export function int(value: number): AttributeValue {
  return { type: "int", value };
}

export function ints(...value: number[]): AttributeValue {
  return { type: "ints", value };
}
