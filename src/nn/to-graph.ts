import type { NamedArrays } from "../core/named-arrays.js";
import type { Graph, ValueInfo } from "../graph/graph.js";
import { type Architecture, epsilonOf, type Form } from "./architecture.js";
import { blockDefinition } from "./blocks/registry.js";
import { type BlockLayout, blockLayouts, type SqueezeExciteLayout } from "./layout.js";
import { int, NetGraphBuilder } from "./to-graph-builder.js";

/** What {@link toGraph} needs of a model. */
export interface GraphSource {
  readonly architecture: Architecture;
  readonly form: Form;
  readonly state: NamedArrays;
}

/**
 * A net as an ONNX-style graph in inference mode: `input` [batch, C, height, width] → `logits` [batch, classes].
 *
 * Training form: what the block's kind adds (Conv and BatchNormalization by branch, Add), Relu; plain form: Conv and Relu.
 * Nodes have the module's official path as name, initializers the official weight names; kernels that are computed from
 * weights (dirac, trivial) are `<block>.conv.kernel`. A block's pre-activation value is
 * `<block>.rbr_reparam` in both forms, a stage's output `stage0`, `stage1`, …. Auxiliary heads are left out.
 * @param options `features`: also return every stage's output, after `logits`; `head`: with the classifier (default true); without it, the net returns the output of its last stage.
 */
export function toGraph(
  source: GraphSource,
  { features = false, head = true }: { readonly features?: boolean; readonly head?: boolean } = {},
): Graph {
  const { architecture } = source;
  const builder = new NetGraphBuilder(source.state, (path) => epsilonOf(architecture, path));
  let x = "input";
  const outputs: ValueInfo[] = head ? [{ name: "logits", dtype: "f32", shape: ["batch", architecture.classes] }] : [];
  const layouts = blockLayouts(architecture);
  for (const layout of layouts) {
    x = addBlock(builder, layout, source, x);
    if (layout.lastOfStage && (features || (!head && layout === layouts.at(-1)))) outputs.push(featureInfo(x, layout));
  }
  if (head) addClassifier(builder, x);
  return {
    name: architecture.name,
    inputs: [{ name: "input", dtype: "f32", shape: ["batch", architecture.inputChannels, "height", "width"] }],
    outputs,
    nodes: builder.nodes,
    initializers: builder.initializers,
  };
}

function addClassifier(builder: NetGraphBuilder, input: string): void {
  const pooled = builder.node("GlobalAveragePool", "gap", [input]);
  const x = builder.node("Flatten", "flatten", [pooled], { axis: int(1) });
  builder.node("Gemm", "linear", [x, ...builder.constants("linear", ["weight", "bias"])], { transB: int(1) }, "logits");
}

function featureInfo(name: string, layout: BlockLayout): ValueInfo {
  return { name, dtype: "f32", shape: ["batch", layout.outChannels, `${name}.height`, `${name}.width`] };
}

function addBlock(builder: NetGraphBuilder, layout: BlockLayout, source: GraphSource, input: string): string {
  const { path, stride, groups, squeezeExcite } = layout;
  const output = layout.lastOfStage ? `stage${layout.stage}` : path;
  let x = `${path}.rbr_reparam`;
  if (source.form === "plain" || layout.folded) builder.conv(x, input, { kernel: [3, 3], stride, groups, bias: true });
  else blockDefinition(source.architecture.block.kind).addNodes(builder, layout, input, x);
  if (squeezeExcite?.position === "before-relu") x = addSqueezeExcite(builder, squeezeExcite, x, squeezeExcite.path);
  if (squeezeExcite?.position !== "after-relu") return builder.node("Relu", `${path}.nonlinearity`, [x], {}, output);
  x = builder.node("Relu", `${path}.nonlinearity`, [x]);
  return addSqueezeExcite(builder, squeezeExcite, x, output);
}

function addSqueezeExcite(builder: NetGraphBuilder, se: SqueezeExciteLayout, input: string, output: string): string {
  let s = builder.node("GlobalAveragePool", `${se.path}.pool`, [input]);
  s = builder.conv(`${se.path}.down`, s, { kernel: [1, 1], stride: 1, groups: 1, bias: true });
  s = builder.node("Relu", `${se.path}.relu`, [s]);
  s = builder.conv(`${se.path}.up`, s, { kernel: [1, 1], stride: 1, groups: 1, bias: true });
  s = builder.node("Sigmoid", `${se.path}.sigmoid`, [s]);
  return builder.node("Mul", `${se.path}.mul`, [input, s], {}, output);
}
