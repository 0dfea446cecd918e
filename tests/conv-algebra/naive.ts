import type { MapGeometry } from "#repvgg/conv-algebra/geometry.js";
import { convolutionMap, isRefusal, type LinearMap, type Refusal, weightOf } from "#repvgg/conv-algebra/linear-map.js";
import type { Rng } from "#repvgg/core/rng.js";

/** A picture [C][H][W]. */
export interface Picture {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  at(c: number, y: number, x: number): number;
}

export function picture(channels: number, height: number, width: number, data: ArrayLike<number>): Picture {
  return { channels, height, width, at: (c, y, x) => data[(c * height + y) * width + x]! };
}

export function randomPicture(rng: Rng, channels: number, height: number, width: number): Picture {
  return picture(
    channels,
    height,
    width,
    Float64Array.from({ length: channels * height * width }, () => rng.normal()),
  );
}

/** The definition of a linear map, one multiplication after the other. */
export function applyMap(map: LinearMap, x: Picture): Picture {
  const weight = weightOf(map);
  const [kh, kw] = map.kernelSize;
  const [top, left, bottom, right] = map.pads;
  const height = Math.floor((x.height + top + bottom - (kh - 1) * map.dilation[0] - 1) / map.stride[0]) + 1;
  const width = Math.floor((x.width + left + right - (kw - 1) * map.dilation[1] - 1) / map.stride[1]) + 1;
  const perGroup = map.inChannels / map.groups;
  const result: number[] = [];
  for (let o = 0; o < map.outChannels; o++) {
    const first = Math.floor((o * map.groups) / map.outChannels) * perGroup;
    for (let y = 0; y < height; y++) {
      for (let z = 0; z < width; z++) {
        let total = map.bias[o]!;
        for (let i = 0; i < perGroup; i++) {
          for (let a = 0; a < kh; a++) {
            for (let b = 0; b < kw; b++) {
              const row = y * map.stride[0] - top + a * map.dilation[0];
              const column = z * map.stride[1] - left + b * map.dilation[1];
              if (row < 0 || row >= x.height || column < 0 || column >= x.width) continue;
              total +=
                weight[((o * perGroup + i) * kh + a) * kw + b]! * x.at(map.firstChannel + first + i, row, column);
            }
          }
        }
        result.push(total);
      }
    }
  }
  return picture(map.outChannels, height, width, result);
}

/** Worst absolute difference; infinite where sizes differ. */
export function distance(a: Picture, b: Picture): number {
  if (a.channels !== b.channels || a.height !== b.height || a.width !== b.width) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let c = 0; c < a.channels; c++) {
    for (let y = 0; y < a.height; y++) {
      for (let x = 0; x < a.width; x++) worst = Math.max(worst, Math.abs(a.at(c, y, x) - b.at(c, y, x)));
    }
  }
  return worst;
}

export function randomMap(
  rng: Rng,
  geometry: Partial<MapGeometry> & Pick<MapGeometry, "outChannels" | "inChannels" | "kernelSize">,
  withBias = true,
): LinearMap {
  const { outChannels, inChannels, kernelSize, groups = 1 } = geometry;
  const count = (outChannels * inChannels * kernelSize[0] * kernelSize[1]) / groups;
  const draw = (length: number): Float64Array => Float64Array.from({ length }, () => rng.normal());
  return convolutionMap(draw(count), withBias ? draw(outChannels) : undefined, geometry);
}

export function accepted(result: LinearMap | Refusal): LinearMap {
  if (isRefusal(result)) throw new Error(`refused: ${result.refused}`);
  return result;
}
