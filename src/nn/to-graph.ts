import { UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import type { AttributeValue, Graph, GraphNode, ValueInfo } from "../graph/graph.js";
import type { Architecture, Form } from "./architecture.js";
import { batchNormEpsilon } from "./architecture.js";
import { type BlockLayout, blockLayouts, type SqueezeExciteLayout } from "./layout.js";

/** What {@link toGraph} needs of a model. */
export interface GraphSource {
  readonly architecture: Architecture;
  readonly form: Form;
  readonly state: NamedArrays;
}

/**
 * A net as an ONNX-style graph in inference mode: `input` [batch, C, height, width] → `logits` [batch, classes].
 *
 * Training form: Conv and BatchNormalization by branch, Add, Relu; plain form: Conv and Relu. Nodes have the module's
 * official path as name, initializers the official weight names. A block's pre-activation value is
 * `<block>.rbr_reparam` in both forms, a stage's output `stage0`, `stage1`, …. Auxiliary heads are left out.
 * @param options.features also return every stage's output, after `logits`.
 */
export function toGraph(source: GraphSource, options: { readonly features?: boolean } = {}): Graph {
  const { architecture } = source;
  const builder = new Builder(source.state);
  let x = "input";
  const outputs: ValueInfo[] = [{ name: "logits", dtype: "f32", shape: ["batch", architecture.classes] }];
  for (const layout of blockLayouts(architecture)) {
    x = addBlock(builder, layout, source.form, x);
    if (options.features && layout.lastOfStage) outputs.push(featureInfo(x, layout));
  }
  x = builder.node("GlobalAveragePool", "gap", [x]);
  x = builder.node("Flatten", "flatten", [x], { axis: int(1) });
  builder.node("Gemm", "linear", [x, ...builder.constants("linear", ["weight", "bias"])], { transB: int(1) }, "logits");
  return {
    name: architecture.name,
    inputs: [{ name: "input", dtype: "f32", shape: ["batch", architecture.inputChannels, "height", "width"] }],
    outputs,
    nodes: builder.nodes,
    initializers: builder.initializers,
  };
}

function featureInfo(name: string, layout: BlockLayout): ValueInfo {
  return { name, dtype: "f32", shape: ["batch", layout.outChannels, `${name}.height`, `${name}.width`] };
}

function addBlock(builder: Builder, layout: BlockLayout, form: Form, input: string): string {
  const { path, stride, groups, squeezeExcite } = layout;
  const output = layout.lastOfStage ? `stage${layout.stage}` : path;
  let x = `${path}.rbr_reparam`;
  if (form === "plain") builder.conv(x, input, { kernel: 3, stride, groups, bias: true });
  else addBranches(builder, layout, input, x);
  if (squeezeExcite?.position === "before-relu") x = addSqueezeExcite(builder, squeezeExcite, x, squeezeExcite.path);
  if (squeezeExcite?.position !== "after-relu") return builder.node("Relu", `${path}.nonlinearity`, [x], {}, output);
  x = builder.node("Relu", `${path}.nonlinearity`, [x]);
  return addSqueezeExcite(builder, squeezeExcite, x, output);
}

/** The sum of the branches, as the value `output`. */
function addBranches(builder: Builder, layout: BlockLayout, input: string, output: string): void {
  const { path, stride, groups } = layout;
  const branches: ((name?: string) => string)[] = [
    (name) => {
      const conv = builder.conv(`${path}.rbr_dense.conv`, input, { kernel: 3, stride, groups, bias: false });
      return builder.batchNorm(`${path}.rbr_dense.bn`, conv, name);
    },
  ];
  if (layout.pointwise) {
    branches.push((name) => {
      const conv = builder.conv(`${path}.rbr_1x1.conv`, input, { kernel: 1, stride, groups, bias: false });
      return builder.batchNorm(`${path}.rbr_1x1.bn`, conv, name);
    });
  }
  if (layout.identity) branches.push((name) => builder.batchNorm(`${path}.rbr_identity`, input, name));

  if (branches.length === 1) {
    branches[0]!(output);
    return;
  }
  const [first, ...others] = branches.map((branch) => branch());
  let sum = first!;
  others.forEach((branch, i) => {
    const last = i === others.length - 1;
    sum = builder.node("Add", last ? output : `${path}.sum`, [sum, branch]);
  });
}

function addSqueezeExcite(builder: Builder, se: SqueezeExciteLayout, input: string, output: string): string {
  let s = builder.node("GlobalAveragePool", `${se.path}.pool`, [input]);
  s = builder.conv(`${se.path}.down`, s, { kernel: 1, stride: 1, groups: 1, bias: true });
  s = builder.node("Relu", `${se.path}.relu`, [s]);
  s = builder.conv(`${se.path}.up`, s, { kernel: 1, stride: 1, groups: 1, bias: true });
  s = builder.node("Sigmoid", `${se.path}.sigmoid`, [s]);
  return builder.node("Mul", `${se.path}.mul`, [input, s], {}, output);
}

/** Collects nodes and the constants that they use. A node's value has the node's name unless told otherwise. */
class Builder {
  readonly nodes: GraphNode[] = [];
  readonly initializers = new Map<string, NamedArray>();
  readonly #state: NamedArrays;

  constructor(state: NamedArrays) {
    this.#state = state;
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

  constants(path: string, names: readonly string[]): string[] {
    return names.map((suffix) => {
      const name = `${path}.${suffix}`;
      const array = this.#state.get(name);
      if (!array) throw new UserError({ expected: `a state with ${name}`, received: "none", remedy: "check the form" });
      this.initializers.set(name, array);
      return name;
    });
  }

  conv(path: string, input: string, c: { kernel: 1 | 3; stride: number; groups: number; bias: boolean }): string {
    const pad = (c.kernel - 1) / 2;
    return this.node("Conv", path, [input, ...this.constants(path, c.bias ? ["weight", "bias"] : ["weight"])], {
      kernel_shape: ints(c.kernel, c.kernel),
      strides: ints(c.stride, c.stride),
      pads: ints(pad, pad, pad, pad),
      dilations: ints(1, 1),
      group: int(c.groups),
    });
  }

  batchNorm(path: string, input: string, output?: string): string {
    const constants = this.constants(path, ["weight", "bias", "running_mean", "running_var"]);
    return this.node(
      "BatchNormalization",
      path,
      [input, ...constants],
      { epsilon: { type: "float", value: batchNormEpsilon } },
      output,
    );
  }
}

function int(value: number): AttributeValue {
  return { type: "int", value };
}

function ints(...value: number[]): AttributeValue {
  return { type: "ints", value };
}
