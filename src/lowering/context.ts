import type { ConvPlan } from "../backend/convolution.js";
import type { ConvGeometry } from "../core/conv-geometry.js";
import { nearest, UserError } from "../core/errors.js";
import { elementCount } from "../core/named-arrays.js";
import type { GraphNode } from "../graph/graph.js";
import { nodeContext } from "../graph/operator/node-context.js";
import type { NodeContext } from "../graph/operator/operator.js";
import { notUnderstood } from "../operators/registry.js";
import { type Constant, rowMajorConstant } from "./constants.js";
import type { PreparedGraph } from "./prepare.js";
import { type Buffer, extents, type Held, layoutsCoincide, type Step, type Tensor } from "./step.js";

/** What a lowering says about its step; the rest is filled in from the graph. */
export type StepParts<T extends Held = Tensor> = Pick<
  Step,
  "name" | "op" | "algorithm" | "calls" | "convolution" | "refusal"
> & {
  readonly reads: readonly Held[];
  readonly output: T;
  readonly mayOverwrite?: readonly Held[];
  readonly accumulate?: Held;
  readonly constants?: readonly Constant[];
  readonly macs?: number;
  readonly workspaceWords?: number;
};

/** Turns a graph into steps: knows where each value is by now, and converts layouts where a step needs the other one. */
export class Lowering {
  readonly steps: Step[] = [];
  readonly #tensors = new Map<string, Tensor>();
  readonly #converted = new Map<Tensor, Tensor>();
  /** Makes a float32 value of one that is held otherwise: set by who holds values of other elements. */
  widened: ((value: string) => Tensor | undefined) | undefined;

  constructor(
    readonly graph: PreparedGraph,
    readonly planConvolution: (geometry: ConvGeometry) => ConvPlan,
    /** Of a transposed convolution, by the convolution whose gradient of the input it is. */
    readonly planTransposedConvolution: (geometry: ConvGeometry) => ConvPlan,
  ) {}

  shapeOf(value: string): readonly number[] {
    const shape = this.graph.shapes.get(value);
    if (shape) return shape;
    throw new UserError({
      expected: "shapes that follow from the input's",
      received: `"${value}", whose shape depends on what is computed`,
    });
  }

  /** A node as its operator sees it: which version it means, and what is known of its operands. @throws UserError for an operator that is not understood. */
  context(node: GraphNode): NodeContext {
    const context = nodeContext(node, this.graph);
    if (context) return context;
    throw new UserError(notUnderstood(node));
  }

  /** The value in whatever layout it has. A constant is copied beside the computed ones: for operators that seldom have one. */
  tensor(value: string, reader: GraphNode): Tensor {
    const tensor = this.#held(value);
    if (tensor?.counted) {
      throw new UserError({
        expected: `an operand of node "${reader.name}" (${reader.op}) whose shape follows from the input's`,
        received: `"${value}", whose size depends on what is computed`,
        remedy: `make "${value}" an output of the net and go on from there in your own code`,
      });
    }
    if (tensor) return tensor;
    throw new UserError({
      expected: `a computed value as operand of node "${reader.name}" (${reader.op})`,
      received: `"${value}", which nothing computes`,
    });
  }

  #held(value: string): Tensor | undefined {
    return this.#tensors.get(value) ?? this.widened?.(value) ?? this.#copyOfConstant(value);
  }

  #copyOfConstant(value: string): Tensor | undefined {
    const array = this.graph.constants.get(value);
    if (!array) return undefined;
    const constant = rowMajorConstant(value, array);
    const output = this.createRowMajor(value, array.shape);
    this.define(value, output);
    return this.emit({
      name: value,
      op: "Constant",
      algorithm: "copy",
      reads: [],
      output,
      constants: [constant],
      calls: (at) => [
        { kernel: "copy", args: { x: at.constant(constant), y: at.of(output.buffer), n: output.buffer.words } },
      ],
    });
  }

  /** A value that the plan returns, in the graph's order. */
  result(name: string): Tensor {
    const tensor = this.#held(name);
    if (tensor) return this.rowMajor(tensor);
    throw new UserError({
      expected: "outputs that the graph computes from its inputs",
      received: `"${name}", which no node gives`,
      ...remedyFor(name, this.#tensors.keys()),
    });
  }

  define(value: string, tensor: Tensor): Tensor {
    this.#tensors.set(value, tensor);
    return tensor;
  }

  /** A new activation in the layout that kernels work in: channels last. */
  create(name: string, shape: readonly number[]): Tensor {
    const buffer: Buffer = { name, words: elementCount(shape) };
    return { shape, layout: layoutsCoincide(shape) ? "row-major" : "channels-last", buffer };
  }

  createRowMajor(name: string, shape: readonly number[]): Tensor {
    return { shape, layout: "row-major", buffer: { name, words: elementCount(shape) } };
  }

  channelsLast(tensor: Tensor): Tensor {
    return layoutsCoincide(tensor.shape) || tensor.layout === "channels-last" ? tensor : this.#convert(tensor);
  }

  rowMajor(tensor: Tensor): Tensor {
    return tensor.layout === "row-major" ? tensor : this.#convert(tensor);
  }

  /** @throws UserError for a step that reads or writes no words: kernels are not asked to divide nothing into tasks */
  emit<T extends Held>(parts: StepParts<T>): T {
    const {
      reads,
      output,
      mayOverwrite = [],
      accumulate,
      constants = [],
      macs = 0,
      workspaceWords = 0,
      ...rest
    } = parts;
    // Packed weights may be none where no tap is inside: only the bias counts then.
    const numbers = [
      output.buffer.words,
      ...reads.map(({ buffer }) => buffer.words),
      ...constants.map(({ count }) => count),
    ];
    if (numbers.includes(0)) {
      throw new UserError({
        expected: `operands and results of at least one element in node "${rest.name}" (${rest.op})`,
        received: "some without",
      });
    }
    this.steps.push({
      ...rest,
      outputShape: output.shape,
      reads: reads.map((t) => t.buffer),
      write: output.buffer,
      mayOverwrite: mayOverwrite.map((t) => t.buffer),
      ...(accumulate && { accumulate: accumulate.buffer }),
      constants,
      macs,
      workspaceWords,
    });
    return output;
  }

  #convert(tensor: Tensor): Tensor {
    const known = this.#converted.get(tensor);
    if (known) return known;
    const toChannelsLast = tensor.layout === "row-major";
    const output: Tensor = {
      shape: tensor.shape,
      layout: toChannelsLast ? "channels-last" : "row-major",
      buffer: { name: tensor.buffer.name, words: tensor.buffer.words },
    };
    const kernel = toChannelsLast ? "nchw_to_nhwc" : "nhwc_to_nchw";
    const [x, y] = [tensor.buffer, output.buffer];
    this.emit({
      name: tensor.buffer.name,
      op: "Transpose",
      algorithm: kernel,
      reads: [tensor],
      output,
      calls: (at) => [{ kernel, args: { x: at.of(x), y: at.of(y), ...extents(tensor.shape) } }],
    });
    this.#converted.set(tensor, output);
    return output;
  }
}

function remedyFor(name: string, values: Iterable<string>): { remedy?: string } {
  const near = nearest(name, values);
  return near ? { remedy: `did you mean "${near}"?` } : {};
}
