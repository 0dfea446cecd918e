import { convGeometry, convMacs, convOutHeight, convOutWidth } from "../core/conv-geometry.js";
import { elementCount } from "../core/named-arrays.js";
import type { Architecture, Form } from "../nn/architecture.js";
import { auxHeadLayouts, type BlockLayout, blockLayouts, featureChannels } from "../nn/layout.js";
import type { StateEntry, StateSchema } from "../nn/schema-builder.js";
import { stateSchema } from "../nn/state-schema.js";

/** A number for each form. */
export type ByForm = Readonly<Record<Form, number>>;

/** What one layer of a net costs, for one picture. */
export interface LayerCounts {
  /** Official module path: `stage1.0`, `stage2_aux`, `linear`. */
  readonly path: string;
  /** A block (in training form up to three branches), an auxiliary classifier, or the classifier at the end. */
  readonly kind: "block" | "aux-head" | "linear";
  /** Channels that the layer reads. */
  readonly inChannels: number;
  /** Channels that it gives; of classifiers the classes. */
  readonly outChannels: number;
  /** Of its 3×3 convolution, in both directions. */
  readonly stride: number;
  /** Of its 3×3 and 1×1 convolutions. */
  readonly groups: number;
  /** [height, width] of the layer's output; [1, 1] for heads. */
  readonly outputSize: readonly [height: number, width: number];
  /** Learned numbers (BN statistics are none); squeeze-and-excitation included. */
  readonly parameters: ByForm;
  /** Multiply-accumulates for one picture, of convolutions and linear layers; squeeze-and-excitation not included. */
  readonly macs: ByForm;
  /** Multiplications of the plain form for one picture, where F(2×2, 3×3) Winograd runs the stride-1 3×3 convolutions. */
  readonly winogradMultiplications: number;
  /** Multiply-accumulates of the block's squeeze-and-excitation, the same in both forms. */
  readonly squeezeExciteMacs: number;
}

/** What a net costs, for one picture: the sums over its layers. */
export interface Counts {
  /** In the order in which they run, auxiliary classifiers among them. */
  readonly layers: readonly LayerCounts[];
  /** Learned numbers: weights, biases, γ and β; BatchNorm's statistics are none. */
  readonly parameters: ByForm;
  /** Multiply-accumulates of convolutions and linear layers, padding counted; squeeze-and-excitation not included. */
  readonly macs: ByForm;
  /** Of the plain form, as the paper counts them: 4/9 of the multiplications of stride-1 3×3 convolutions, all of the rest. */
  readonly winogradMultiplications: number;
  /** Multiply-accumulates of all squeeze-and-excitation, the same in both forms. */
  readonly squeezeExciteMacs: number;
}

/**
 * Parameters and arithmetic of a net, for one picture, as the paper counts them (section 4.1, table 4): padding counts,
 * biases, BN and additions do not; a stride-1 3×3 convolution needs 4/9 of its multiplications by Winograd.
 * @param inputSize pixels of the input's side, or [height, width].
 * @throws ShapeError when the pictures are too small for the strides.
 */
export function counts(
  architecture: Architecture,
  inputSize: number | readonly [height: number, width: number] = 224,
): Counts {
  const schema = stateSchema(architecture, "train");
  const parameters = parametersByLayer(schema, stateSchema(architecture, "plain"));
  let size = typeof inputSize === "number" ? ([inputSize, inputSize] as const) : inputSize;
  const layers: LayerCounts[] = [];
  const sizes = new Map<string, readonly [number, number]>();
  for (const layout of blockLayouts(architecture)) {
    const layer = countBlock(layout, size, parameters(layout.path), kernelElements(schema, layout));
    layers.push(layer);
    size = layer.outputSize;
    sizes.set(layout.path, size);
  }
  for (const { path, after, channels } of auxHeadLayouts(architecture)) {
    const conv = convMacs(square(channels, channels, sizes.get(after)!, 3, 2, 1));
    const macs = { train: conv + channels * architecture.classes, plain: 0 };
    layers.push(head(path, "aux-head", channels, architecture.classes, parameters(path), macs));
  }
  const features = featureChannels(architecture);
  const macs = features * architecture.classes;
  layers.push(
    head("linear", "linear", features, architecture.classes, parameters("linear"), { train: macs, plain: macs }),
  );
  return {
    layers,
    parameters: total(layers, (layer) => layer.parameters),
    macs: total(layers, (layer) => layer.macs),
    winogradMultiplications: layers.reduce((sum, layer) => sum + layer.winogradMultiplications, 0),
    squeezeExciteMacs: layers.reduce((sum, layer) => sum + layer.squeezeExciteMacs, 0),
  };
}

function countBlock(
  layout: BlockLayout,
  size: readonly [number, number],
  parameters: ByForm,
  trainKernels: number,
): LayerCounts {
  const { path, inChannels, outChannels, stride, groups, squeezeExcite } = layout;
  const geometry = square(inChannels, outChannels, size, 3, stride, groups);
  const dense = convMacs(geometry);
  return {
    path,
    kind: "block",
    inChannels,
    outChannels,
    stride,
    groups,
    outputSize: [convOutHeight(geometry), convOutWidth(geometry)],
    parameters,
    macs: { train: trainKernels * convOutHeight(geometry) * convOutWidth(geometry), plain: dense },
    winogradMultiplications: stride === 1 ? (dense * 4) / 9 : dense,
    squeezeExciteMacs: squeezeExcite ? 2 * squeezeExcite.channels * squeezeExcite.squeezed : 0,
  };
}

function head(
  path: string,
  kind: LayerCounts["kind"],
  inChannels: number,
  outChannels: number,
  parameters: ByForm,
  macs: ByForm,
): LayerCounts {
  return {
    path,
    kind,
    inChannels,
    outChannels,
    stride: 1,
    groups: 1,
    outputSize: [1, 1],
    parameters,
    macs,
    winogradMultiplications: macs.plain,
    squeezeExciteMacs: 0,
  };
}

function square(
  inChannels: number,
  outChannels: number,
  [height, width]: readonly [number, number],
  kernel: 1 | 3,
  stride: number,
  groups: number,
) {
  return convGeometry({ height, width, inChannels, outChannels, kernel, stride, padding: (kernel - 1) / 2, groups });
}

/** Learned parameters below a module path. */
function parametersByLayer(train: StateSchema, plain: StateSchema): (path: string) => ByForm {
  const count = (schema: StateSchema, path: string): number => elements(schema, path, ({ trainable }) => trainable);
  return (path) => ({ train: count(train, path), plain: count(plain, path) });
}

/** Elements of a block's kernels, each of which costs one multiply-accumulate for each position of the output. */
function kernelElements(schema: StateSchema, { path, squeezeExcite }: BlockLayout): number {
  const inBlock = elements(schema, path, ({ kind }) => kind === "conv");
  return squeezeExcite ? inBlock - elements(schema, squeezeExcite.path, ({ kind }) => kind === "conv") : inBlock;
}

/** Elements of the arrays below a module path that a test holds for. */
function elements(schema: StateSchema, path: string, counts: (entry: StateEntry) => boolean): number {
  let sum = 0;
  for (const entry of schema.values()) {
    if (entry.name.startsWith(`${path}.`) && counts(entry)) sum += elementCount(entry.shape);
  }
  return sum;
}

function total(layers: readonly LayerCounts[], of: (layer: LayerCounts) => ByForm): ByForm {
  return {
    train: layers.reduce((sum, layer) => sum + of(layer).train, 0),
    plain: layers.reduce((sum, layer) => sum + of(layer).plain, 0),
  };
}
