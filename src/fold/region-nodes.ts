import type { MapGeometry } from "../conv-algebra/geometry.js";
import { weightCount } from "../conv-algebra/geometry.js";
import type { LinearMap } from "../conv-algebra/linear-map.js";
import { weightOf, writeWeight } from "../conv-algebra/linear-map.js";
import { transposedWeight, transposedWindow } from "../conv-algebra/transposed.js";
import { deferredArray } from "../core/deferred-array.js";
import type { NamedArray } from "../core/named-arrays.js";
import { storageConstructor } from "../core/named-arrays.js";
import { int, ints } from "../graph/attributes.js";
import type { Names } from "../graph/build.js";
import { node as makeNode } from "../graph/build.js";
import type { AttributeValue, GraphNode } from "../graph/graph.js";
import type { Form } from "./form.js";
import { affineParts } from "./form.js";
import type { Region } from "./select.js";

/** The nodes that a region becomes. */
export interface WrittenRegion {
  /** In order; the last gives the region's value. */
  readonly nodes: readonly GraphNode[];
  /** The one that reads the weight. */
  readonly main: GraphNode;
  readonly weightShape: readonly number[];
  readonly biasShape: readonly number[];
}

type Attributes = Readonly<Record<string, AttributeValue>>;

/** A region as nodes: one convolution or Gemm; MatMul and Add, or Mul and Add, where it has another rank or no weights; a Transpose behind. */
export function regionNodes(
  region: Region & { readonly map: LinearMap; readonly names: { readonly weight: string; readonly bias: string } },
  nodeNames: Names,
  valueNames: Names,
): WrittenRegion {
  const { map, form, candidate, output, names } = region;
  const { source, rank, permutation } = candidate;
  const steps: { op: string; constants: string[]; attributes?: Attributes }[] = [];
  if (form === "convolution") {
    steps.push({ op: "Conv", constants: [names.weight, names.bias], attributes: convolutionAttributes(map) });
  } else if (form === "transposed") {
    steps.push({ op: "ConvTranspose", constants: [names.weight, names.bias], attributes: transposedAttributes(map) });
  } else if (form === "matrix" && rank === 2) {
    steps.push({ op: "Gemm", constants: [names.weight, names.bias], attributes: { transB: int(1) } });
  } else {
    const { scales, shifts } =
      form === "affine" ? affineParts(map) : { scales: true, shifts: map.bias.some((b) => b !== 0) };
    if (scales) steps.push({ op: form === "affine" ? "Mul" : "MatMul", constants: [names.weight] });
    if (shifts) steps.push({ op: "Add", constants: [names.bias] });
    if (steps.length === 0) steps.push({ op: "Identity", constants: [] });
  }
  if (permutation) steps.push({ op: "Transpose", constants: [], attributes: { perm: ints(permutation) } });
  let value = source;
  const nodes = steps.map(({ op, constants, attributes }, i) => {
    const last = i === steps.length - 1;
    const given = last ? output : valueNames.take(`${output}.${op === "Add" ? "shifted" : "product"}`);
    const node = makeNode(op, nodeNames.take(given), [value, ...constants], [given], attributes);
    value = given;
    return node;
  });
  return { nodes, main: nodes[0], ...shapes(map, form, rank) };
}

/** Shapes of a region's constants as its operators read them. */
function shapes(map: LinearMap, form: Form, rank: number): Pick<WrittenRegion, "weightShape" | "biasShape"> {
  const { outChannels, inChannels, groups, kernelSize } = map;
  const biasShape = [outChannels];
  switch (form) {
    case "convolution":
      return { weightShape: [outChannels, inChannels / groups, ...kernelSize], biasShape };
    case "transposed":
      return { weightShape: [inChannels, outChannels / groups, ...kernelSize], biasShape };
    case "matrix":
      return { weightShape: rank === 2 ? [outChannels, inChannels] : [inChannels, outChannels], biasShape };
    case "affine": {
      const shape = [outChannels, ...kernelSize]; // behind the channels, one for each axis of positions
      return { weightShape: shape, biasShape: shape };
    }
  }
}

/** The map's weights as {@link WrittenRegion.main} stores them, as a deferred array; a convolution's parts are computed by whole rows. */
export function weightArray(map: LinearMap, { main, weightShape }: WrittenRegion, type: "f32" | "f64"): NamedArray {
  const reordered = storedWeight(map, main);
  if (reordered) {
    return deferredArray(type, weightShape, (target) => (target as FloatStorage).set(reordered()), false);
  }
  const row = weightCount(map) / map.outChannels;
  return deferredArray(
    type,
    weightShape,
    (target, from) => {
      const [first, last] = [Math.floor(from / row), Math.ceil((from + target.length) / row)];
      const length = (last - first) * row;
      const rows =
        length === target.length ? (target as FloatStorage) : (new storageConstructor[type](length) as FloatStorage);
      writeWeight(map, rows, [first, last]);
      if (rows !== target)
        (target as FloatStorage).set(rows.subarray(from - first * row, from - first * row + target.length));
    },
    !map.kernel.whole,
  );
}

type FloatStorage = Float32Array | Float64Array;

/** The weights in another order than the map's; undefined where the operator has the same. */
function storedWeight(map: LinearMap, { op }: GraphNode): (() => Float64Array) | undefined {
  if (op === "ConvTranspose") return () => transposedWeight(map, weightOf(map));
  if (op !== "MatMul") return undefined;
  return () => {
    const { outChannels, inChannels } = map;
    const weight = weightOf(map);
    return Float64Array.from(weight, (_, at) => weight[(at % outChannels) * inChannels + Math.floor(at / outChannels)]);
  };
}

function convolutionAttributes(geometry: MapGeometry): Attributes {
  return {
    dilations: ints(geometry.dilation),
    group: int(geometry.groups),
    kernel_shape: ints(geometry.kernelSize),
    pads: ints(geometry.pads),
    strides: ints(geometry.stride),
  };
}

function transposedAttributes(map: LinearMap): Attributes {
  const { kernelSize, stride, pads, dilation, outputPadding } = transposedWindow(map);
  return {
    dilations: ints(dilation),
    group: int(map.groups),
    kernel_shape: ints(kernelSize),
    output_padding: ints(outputPadding),
    pads: ints(pads),
    strides: ints(stride),
  };
}

/** "3×3, 64 → 64, stride 1×1, groups 1" */
export function describeForm(map: LinearMap, form: Form): string {
  const { outChannels, inChannels, groups, kernelSize, stride, dilation, upsampling } = map;
  if (form === "affine") return `scale and shift of ${outChannels} channels`;
  if (form === "matrix") return `${inChannels} → ${outChannels}`;
  const dilated = dilation.some((d) => d > 1) ? `, dilation ${dilation.join("×")}` : "";
  const steps = (form === "transposed" ? upsampling : stride).join("×");
  return `${kernelSize.join("×")}, ${inChannels} → ${outChannels}, stride ${steps}, groups ${groups}${dilated}`;
}
