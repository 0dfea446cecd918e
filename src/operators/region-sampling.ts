import { elementCount } from "../core/named-arrays.js";
import { floatAttribute, intAttribute } from "../graph/attributes.js";
import { tensor64, zeros } from "../graph/evaluate/tensor64.js";
import type { Dimension } from "../graph/graph.js";
import { choice, ranked, sameSize } from "../graph/operator/checks.js";
import { type NodeCall, type NodeContext, type Operator, refuse, type Shape } from "../graph/operator/operator.js";
import { floats, signature } from "../graph/operator/signature.js";
import { type Window, windowOf } from "../graph/window.js";
import { conv } from "./conv.js";

const roiSignature = signature("X:T rois:T batch_indices:i64 -> Y:T", { T: floats });

interface Corner {
  readonly at: number;
  readonly weight: number;
}

/** The four pixels around a position and their weights; none beyond a pixel outside of the image. */
function corners(y: number, x: number, height: number, width: number): readonly Corner[] {
  if (!(y >= -1 && y <= height && x >= -1 && x <= width)) return [];
  const axis = (position: number, size: number): readonly Corner[] => {
    const inside = Math.max(0, position);
    const low = Math.floor(inside);
    if (low >= size - 1)
      return [
        { at: size - 1, weight: 1 },
        { at: size - 1, weight: 0 },
      ];
    return [
      { at: low, weight: 1 - (inside - low) },
      { at: low + 1, weight: inside - low },
    ];
  };
  return axis(y, height).flatMap((row) =>
    axis(x, width).map((column) => ({ at: row.at * width + column.at, weight: row.weight * column.weight })),
  );
}

/** Mean (or maximum) of samples in each part of a region of an image: Mask R-CNN (arXiv:1703.06870), by ONNX Runtime where the definition is silent. */
const roiAlign: Operator = {
  name: "RoiAlign",
  versions: [10, 16, 22],
  signature: () => roiSignature,
  infer(context) {
    const x = ranked(context, 0, [4], "an image [N, C, H, W]");
    const rois = ranked(context, 1, [2], "regions [count, 4]");
    const places = ranked(context, 2, [1], "one batch index a region");
    sameSize(context, "corners (x1, y1, x2, y2)", 4, rois?.[1]);
    sameSize(context, "batch indices", rois?.[0], places?.[0]);
    const sizes = (["output_height", "output_width"] as const).map((name) => {
      const size = intAttribute(context.node, name, 1);
      return size >= 1 ? size : refuse(context, `${name} from 1`, `${size}`);
    });
    if (intAttribute(context.node, "sampling_ratio", 0) < 0)
      refuse(context, "a sampling_ratio from 0", "a negative one");
    choice(context, "mode", ["avg", "max"], "avg");
    return [x && rois && [rois[0], x[1], ...sizes]];
  },
  evaluate: (call) => {
    const [x, rois, places] = call.inputs.map((value) => value!);
    const { node, version } = call;
    const [batch, channels, height, width] = x.shape;
    const shape = call.outputShapes[0]!;
    const [count, , rows, columns] = shape;
    const scale = floatAttribute(node, "spatial_scale", 1);
    const half =
      version >= 16 &&
      choice(call, "coordinate_transformation_mode", ["half_pixel", "output_half_pixel"], "half_pixel") ===
        "half_pixel";
    const ratio = intAttribute(node, "sampling_ratio", 0);
    const largest = choice(call, "mode", ["avg", "max"], "avg") === "max";
    const result = zeros(shape);
    for (let n = 0; n < count; n++) {
      const image = places.data[n];
      if (!(image >= 0 && image < batch)) refuse(call, `batch indices below ${batch}`, `${image}`);
      const [x1, y1, x2, y2] = Array.from(rois.data.subarray(4 * n, 4 * n + 4), (v) => v * scale - (half ? 0.5 : 0));
      const [high, wide] = [y2 - y1, x2 - x1].map((size) => (half ? size : Math.max(1, size)));
      const samples = [high / rows, wide / columns].map((size) => (ratio > 0 ? ratio : Math.ceil(size)));
      for (let part = 0; part < rows * columns; part++) {
        const [row, column] = [Math.floor(part / columns), part % columns];
        const points = Array.from({ length: Math.max(0, samples[0] * samples[1]) }, (_, i) =>
          corners(
            y1 + ((row + (Math.floor(i / samples[1]) + 0.5) / samples[0]) * high) / rows,
            x1 + ((column + ((i % samples[1]) + 0.5) / samples[1]) * wide) / columns,
            height,
            width,
          ),
        );
        for (let c = 0; c < channels; c++) {
          const plane = (image * channels + c) * height * width;
          const at = (n * channels + c) * rows * columns + part;
          if (largest) {
            // The largest share of any one pixel, as ONNX Runtime and ONNX's own tests have it.
            const shares = points.flatMap((point) =>
              point.length > 0 ? Math.max(...point.map(({ at: pixel, weight }) => weight * x.data[plane + pixel])) : 0,
            );
            result[at] = shares.length > 0 ? Math.max(...shares) : 0;
          } else {
            for (const point of points)
              for (const { at: pixel, weight } of point) result[at] += weight * x.data[plane + pixel];
            result[at] /= Math.max(1, points.length);
          }
        }
      }
    }
    return [tensor64(shape, result, x.dtype)];
  },
};

const deformSignature = signature("X:T W:T offset:T B?:T mask?:T -> Y:T", { T: floats });

/** A DeformConv as the convolution that it is without its offsets. */
function withoutOffsets(context: NodeContext): NodeContext {
  const [x, w, , b] = context.node.inputs;
  const places = [0, 1, 3];
  return {
    ...context,
    node: { ...context.node, inputs: b ? [x, w, b] : [x, w] },
    shape: (input) => context.shape(places[input]),
    dtype: (input) => context.dtype(places[input]),
    contents: (input) => context.contents(places[input]),
  };
}

function checkOffsets(context: NodeContext, y: Shape): void {
  const [x, weight] = [context.shape(0), context.shape(1)];
  const groups = intAttribute(context.node, "offset_group", 1);
  if (!(groups >= 1)) refuse(context, "an offset_group from 1", `${groups}`);
  if (typeof x?.[1] === "number" && x[1] % groups !== 0) refuse(context, `channels that ${groups} divides`, `${x[1]}`);
  const taps = weight?.slice(2).every((size) => typeof size === "number")
    ? elementCount(weight.slice(2) as number[])
    : undefined;
  for (const [place, name, each] of [
    [2, "offset", y.length - 2],
    [4, "mask", 1],
  ] as const) {
    const shape = ranked(context, place, [y.length], `${name} of ${y.length} axes`);
    if (!shape) continue;
    const wanted: readonly (Dimension | undefined)[] = [y[0], taps && groups * taps * each, ...y.slice(2)];
    for (const [axis, size] of wanted.entries()) sameSize(context, `${name} along axis ${axis}`, size, shape[axis]);
  }
}

/** A convolution whose taps are moved by offsets and weighed by a mask, each output position by its own (arXiv:1703.06211, arXiv:1811.11168). */
const deformConv: Operator = {
  name: "DeformConv",
  versions: [19, 22],
  signature: () => deformSignature,
  infer(context) {
    const [y] = conv.infer(withoutOffsets(context));
    if (y) checkOffsets(context, y);
    return [y];
  },
  evaluate: (call) => [deformed(call)],
};

function deformed(call: NodeCall) {
  const [x, weight, offset, bias, mask] = call.inputs;
  const shape = call.outputShapes[0]!;
  const [batch, outChannels, ...positions] = shape;
  const [, inChannels, ...sizes] = x!.shape;
  const kernel = weight!.shape.slice(2);
  const window = windowOf(call.node, kernel, sizes) as Window & { readonly pads: readonly number[] };
  const groups = intAttribute(call.node, "group", 1);
  const offsetGroups = intAttribute(call.node, "offset_group", 1);
  const [rank, taps, area, pixels] = [
    kernel.length,
    elementCount(kernel),
    elementCount(positions),
    elementCount(sizes),
  ];
  const groupChannels = inChannels / groups;
  const result = zeros(shape);
  const places = (flat: number, of: readonly number[]): number[] =>
    of.reduceRight<{ rest: number; index: number[] }>(
      ({ rest, index }, size) => ({ rest: Math.floor(rest / size), index: [rest % size, ...index] }),
      { rest: flat, index: [] },
    ).index;
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < area; p++) {
      const output = places(p, positions);
      for (let own = 0; own < offsetGroups; own++) {
        for (let t = 0; t < taps; t++) {
          const first = (n * offsetGroups + own) * taps + t;
          const at = places(t, kernel).map((tap, axis) => {
            const moved = offset!.data[(first * rank + axis) * area + p];
            return output[axis] * window.strides[axis] - window.pads[axis] + tap * window.dilations[axis] + moved;
          });
          const share = mask ? mask.data[first * area + p] : 1;
          const around = neighbours(at, sizes);
          for (let c = (own * inChannels) / offsetGroups; c < ((own + 1) * inChannels) / offsetGroups; c++) {
            const plane = (n * inChannels + c) * pixels;
            const value = share * around.reduce((sum, { at: pixel, weight: w }) => sum + w * x!.data[plane + pixel], 0);
            const group = Math.floor(c / groupChannels);
            for (let o = (group * outChannels) / groups; o < ((group + 1) * outChannels) / groups; o++) {
              const w = weight!.data[(o * groupChannels + (c % groupChannels)) * taps + t];
              result[(n * outChannels + o) * area + p] += w * value;
            }
          }
        }
      }
    }
  }
  if (bias)
    result.forEach((_, i) => {
      result[i] += bias.data[Math.floor(i / area) % outChannels];
    });
  return tensor64(shape, result, x!.dtype);
}

/** The pixels around a position in any number of axes, linearly weighed; what lies outside counts as zero. */
function neighbours(at: readonly number[], sizes: readonly number[]): readonly Corner[] {
  let all: readonly Corner[] = [{ at: 0, weight: 1 }];
  at.forEach((position, axis) => {
    const low = Math.floor(position);
    const own = [
      { at: low, weight: 1 - (position - low) },
      { at: low + 1, weight: position - low },
    ].filter((corner) => corner.at >= 0 && corner.at < sizes[axis] && corner.weight !== 0);
    all = all.flatMap((outer) =>
      own.map((inner) => ({ at: outer.at * sizes[axis] + inner.at, weight: outer.weight * inner.weight })),
    );
  });
  return all;
}

/** Samples of an image at positions that are computed. */
export const samplingOperators: readonly Operator[] = [deformConv, roiAlign];
