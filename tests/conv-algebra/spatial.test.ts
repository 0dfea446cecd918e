import { describe, expect, it } from "vitest";
import { affine, applyAffine } from "#repvgg/conv-algebra/affine.js";
import { compose } from "#repvgg/conv-algebra/compose.js";
import { asOneConvolution, isScaleAndShift, isTransposed } from "#repvgg/conv-algebra/form.js";
import { type MapGeometry, macsPerPosition, product } from "#repvgg/conv-algebra/geometry.js";
import { convolutionMap, identityMap, isRefusal, type LinearMap, weightOf } from "#repvgg/conv-algebra/linear-map.js";
import { padOutput, sliceOutput, withZeroFrame } from "#repvgg/conv-algebra/pad.js";
import { averagePoolMap } from "#repvgg/conv-algebra/pool.js";
import { sum } from "#repvgg/conv-algebra/sum.js";
import {
  transposedConvolutionMap,
  transposedForm,
  transposedWeight,
  transposedWindow,
} from "#repvgg/conv-algebra/transposed.js";
import { Rng } from "#repvgg/core/rng.js";
import { accepted } from "./naive.js";

/** Cases of each kind; each axis makes a case dearer. */
const cases = (rank: number): number => [60, 60, 40, 15][rank]!;

/** A value [C, …sizes]. */
interface Field {
  readonly channels: number;
  readonly sizes: readonly number[];
  readonly data: Float64Array;
}

/** All coordinates of a box, the last axis fastest. */
function coordinates(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (points, size) => points.flatMap((point) => Array.from({ length: size }, (_, i) => [...point, i])),
    [[]],
  );
}

function place(sizes: readonly number[], point: readonly number[]): number {
  return sizes.reduce((at, size, axis) => at * size + point[axis]!, 0);
}

function field(channels: number, sizes: readonly number[], at: (c: number, point: readonly number[]) => number): Field {
  const points = coordinates(sizes);
  const data = Float64Array.from({ length: channels * points.length }, (_, i) =>
    at(Math.floor(i / points.length), points[i % points.length]!),
  );
  return { channels, sizes, data };
}

const draw = (rng: Rng, length: number): Float64Array => Float64Array.from({ length }, () => rng.normal());
const randomField = (rng: Rng, channels: number, sizes: readonly number[]): Field =>
  field(channels, sizes, () => rng.normal());

/** The definition of a linear map over any axes, one multiplication after the other. */
function applied(map: LinearMap, x: Field): Field {
  const weight = weightOf(map);
  const rank = x.sizes.length;
  const up = x.sizes.map((size, axis) => (size - 1) * map.upsampling[axis]! + 1);
  const sizes = up.map((size, axis) => {
    const reach = (map.kernelSize[axis]! - 1) * map.dilation[axis]!;
    return Math.floor((size + map.pads[axis]! + map.pads[axis + rank]! - reach - 1) / map.stride[axis]!) + 1;
  });
  const taps = coordinates(map.kernelSize);
  const perGroup = map.inChannels / map.groups;
  return field(map.outChannels, sizes, (o, p) => {
    let total = map.bias[o]!;
    const first = Math.floor((o * map.groups) / map.outChannels) * perGroup;
    taps.forEach((tap, t) => {
      const at = p.map((q, axis) => q * map.stride[axis]! - map.pads[axis]! + tap[axis]! * map.dilation[axis]!);
      if (at.some((q, axis) => q < 0 || q >= up[axis]! || q % map.upsampling[axis]! !== 0)) return;
      const position = place(
        x.sizes,
        at.map((q, axis) => q / map.upsampling[axis]!),
      );
      for (let i = 0; i < perGroup; i++) {
        const w = weight[(o * perGroup + i) * taps.length + t]!;
        total += w * x.data[(map.firstChannel + first + i) * product(x.sizes) + position]!;
      }
    });
    return total;
  });
}

function distance(a: Field, b: Field): number {
  if (a.channels !== b.channels || a.sizes.join() !== b.sizes.join()) return Number.POSITIVE_INFINITY;
  return a.data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b.data[i]!)), 0);
}

/** A transposed convolution by its definition: each position adds its kernel to the output, of which pads are left out. */
function transposed(
  x: Field,
  weight: Float64Array,
  bias: Float64Array,
  groups: number,
  window: ReturnType<typeof transposedWindow>,
): Field {
  const { kernelSize, stride, dilation, pads, outputPadding } = window;
  const rank = kernelSize.length;
  const sizes = x.sizes.map(
    (size, axis) =>
      (size - 1) * stride[axis]! +
      (kernelSize[axis]! - 1) * dilation[axis]! +
      1 +
      outputPadding[axis]! -
      pads[axis]! -
      pads[axis + rank]!,
  );
  const outChannels = bias.length;
  const result = field(outChannels, sizes, (o) => bias[o]!);
  const taps = coordinates(kernelSize);
  const positions = coordinates(x.sizes);
  const [inner, outer] = [x.channels / groups, outChannels / groups];
  for (let i = 0; i < x.channels; i++) {
    for (let o = 0; o < outer; o++) {
      const target = Math.floor(i / inner) * outer + o;
      positions.forEach((position, p) => {
        taps.forEach((tap, t) => {
          const at = position.map((q, axis) => q * stride[axis]! + tap[axis]! * dilation[axis]! - pads[axis]!);
          if (at.some((q, axis) => q < 0 || q >= sizes[axis]!)) return;
          const w = weight[(i * outer + o) * taps.length + t]!;
          result.data[target * product(sizes) + place(sizes, at)]! += w * x.data[i * positions.length + p]!;
        });
      });
    }
  }
  return result;
}

function cropped(x: Field, pads: readonly number[], steps: readonly number[]): Field {
  const rank = x.sizes.length;
  const sizes = x.sizes.map((size, axis) => Math.ceil((size + pads[axis]! + pads[axis + rank]!) / steps[axis]!));
  return field(x.channels, sizes, (c, point) => {
    const from = point.map((q, axis) => q * steps[axis]! - pads[axis]!);
    return x.data[c * product(x.sizes) + place(x.sizes, from)]!;
  });
}

const pick = (rng: Rng, count: number, low: number, high: number): number[] =>
  Array.from({ length: count }, () => low + rng.int(high - low + 1));

/** A random map of 4 → 4 channels with any window whose output is never empty. */
function randomMap(rng: Rng, rank: number, more: Partial<MapGeometry> = {}, withBias = true): LinearMap {
  const kernelSize = more.kernelSize ?? pick(rng, rank, 1, 3);
  const dilation = more.dilation ?? pick(rng, rank, 1, 2);
  const groups = more.groups ?? [1, 2, 4][rng.int(3)]!;
  const reach = kernelSize.map((size, axis) => (size - 1) * dilation[axis]!);
  const pads = more.pads ?? [...reach, ...reach].map((most) => rng.int(most + 1));
  const weight = draw(rng, (4 * 4 * product(kernelSize)) / groups);
  const bias = withBias ? draw(rng, 4) : undefined;
  const geometry = { outChannels: 4, inChannels: 4, groups, kernelSize, dilation, pads };
  return convolutionMap(weight, bias, { ...geometry, ...more });
}

const close = 1e-10;
const ranks = [0, 1, 2, 3];

describe.each(ranks)("maps over %i axes", (rank) => {
  it("identity, scale and shift, and sums", () => {
    for (let seed = 0; seed < cases(rank); seed++) {
      const rng = new Rng(seed);
      const x = randomField(rng, 4, pick(rng, rank, 5, 7));
      const first = randomMap(rng, rank);
      const shift = affine(4, { scale: draw(rng, 4), shift: draw(rng, 4) });
      const same = applyAffine(identityMap(4, rank), shift);
      expect(isScaleAndShift(same)).toBe(true);
      // A centred window of the same output size.
      const middle = randomMap(rng, rank, {
        kernelSize: first.kernelSize.map(() => 3),
        dilation: first.kernelSize.map(() => 1),
        pads: [...first.kernelSize, ...first.kernelSize].map(() => 1),
      });
      const joined = accepted(sum([middle, same]));
      const [a, b] = [applied(middle, x), applied(same, x)];
      expect(distance(applied(joined, x), { ...a, data: a.data.map((value, i) => value + b.data[i]!) })).toBeLessThan(
        close,
      );
      const plain = applied(first, x);
      const positions = product(plain.sizes);
      const scaled = plain.data.map((value, at) => {
        const c = Math.floor(at / positions);
        return shift.scale[c]! * value + shift.shift[c]!;
      });
      expect(distance(applied(applyAffine(first, shift), x), { ...plain, data: scaled })).toBeLessThan(close);
    }
  });

  it("compositions", () => {
    for (let seed = 0; seed < cases(rank); seed++) {
      const rng = new Rng(100 + seed);
      const x = randomField(rng, 4, pick(rng, rank, 9, 11));
      const inner = randomMap(rng, rank, { stride: pick(rng, rank, 1, 2) });
      const outer = randomMap(rng, rank, { stride: pick(rng, rank, 1, 2), pads: new Array(2 * rank).fill(0) });
      const whole = accepted(compose(outer, inner));
      expect(distance(applied(whole, x), applied(outer, applied(inner, x)))).toBeLessThan(close);
    }
  });

  it("averages", () => {
    const rng = new Rng(7);
    const x = randomField(rng, 2, pick(rng, rank, 4, 6));
    const kernelSize = pick(rng, rank, 2, 3);
    const window = {
      kernelSize,
      stride: kernelSize.map(() => 1),
      dilation: kernelSize.map(() => 1),
      pads: new Array(2 * rank).fill(0),
    };
    const y = applied(averagePoolMap(2, window), x);
    const first = coordinates(kernelSize).reduce((total, point) => total + x.data[place(x.sizes, point)]!, 0);
    expect(y.data[0]).toBeCloseTo(first / product(kernelSize), 12);
  });

  it("slices in steps, and a frame of zeros in place of negative pads", () => {
    for (let seed = 0; seed < cases(rank); seed++) {
      const rng = new Rng(200 + seed);
      const x = randomField(rng, 4, pick(rng, rank, 9, 12));
      const map = randomMap(rng, rank, { stride: pick(rng, rank, 1, 2) });
      const y = applied(map, x);
      const pads = y.sizes
        .concat(y.sizes)
        .map((size) => -rng.int(Math.max(1, Math.floor(size / 2))))
        .map((p) => p + 0);
      const steps = pick(rng, rank, 1, 2);
      const slice = accepted(sliceOutput(map, pads, steps));
      expect(distance(applied(slice, x), cropped(y, pads, steps))).toBeLessThan(close);
      const one = asOneConvolution(slice);
      expect(one.pads.every((p) => p >= 0)).toBe(true);
      expect(distance(applied(one, x), applied(slice, x))).toBeLessThan(close);
      const frame = pick(rng, 2 * rank, 0, 3);
      expect(distance(applied(withZeroFrame(map, frame), x), y)).toBeLessThan(close);
    }
  });
});

describe.each([1, 2, 3])("transposed convolutions over %i axes", (rank) => {
  const random = (rng: Rng, groups = [1, 2, 4][rng.int(3)]!) => {
    const kernelSize = pick(rng, rank, 1, 4);
    const dilation = pick(rng, rank, 1, 2);
    const stride = pick(rng, rank, 1, 3);
    const outputPadding = stride.map((s) => rng.int(s));
    const pads = [...kernelSize, ...kernelSize].map((_, side) =>
      rng.int(Math.min(3, (kernelSize[side % rank]! - 1) * dilation[side % rank]! + 1)),
    );
    const weight = draw(rng, (4 * 4 * product(kernelSize)) / groups);
    const bias = draw(rng, 4);
    const window = { kernelSize, stride, dilation, pads, outputPadding };
    const map = transposedConvolutionMap(weight, bias, { ...window, inChannels: 4, outChannels: 4, groups });
    return { window, weight, bias, groups, map };
  };

  it("are maps of a source with zeros in between, and back, bit for bit where no frame is needed", () => {
    for (let seed = 0; seed < cases(rank); seed++) {
      const rng = new Rng(seed);
      const { window, weight, bias, groups, map } = random(rng);
      const x = randomField(rng, 4, pick(rng, rank, 4, 6));
      const expected = transposed(x, weight, bias, groups, window);
      expect(distance(applied(map, x), expected)).toBeLessThan(close);
      expect(macsPerPosition(map)).toBeCloseTo(weight.length / product(window.stride), 9);
      const form = transposedForm(map);
      const again = transposed(x, transposedWeight(form, weightOf(form)), form.bias, groups, transposedWindow(form));
      expect(distance(again, expected)).toBeLessThan(close);
      expect(isTransposed(map)).toBe(window.stride.some((s) => s > 1));
      if (form === map) expect(transposedWeight(form, weightOf(form))).toEqual(weight);
    }
  });

  it("with a scale before without shift, a convolution of one position, sums of equal strides, crops and pads of their output", () => {
    let padded = 0;
    for (let seed = 0; seed < cases(rank); seed++) {
      const rng = new Rng(300 + seed);
      const { window, weight, bias, groups, map } = random(rng);
      const x = randomField(rng, 4, pick(rng, rank, 5, 6));
      const y = transposed(x, weight, bias, groups, window);
      const pointwise = randomMap(
        rng,
        rank,
        { kernelSize: window.kernelSize.map(() => 1), pads: new Array(2 * rank).fill(0) },
        false,
      );
      expect(
        distance(
          applied(accepted(compose(map, pointwise)), x),
          transposed(applied(pointwise, x), weight, bias, groups, window),
        ),
      ).toBeLessThan(close);
      const behind = randomMap(rng, rank, { pads: new Array(2 * rank).fill(0) });
      if (y.sizes.every((size, axis) => size > (behind.kernelSize[axis]! - 1) * behind.dilation[axis]!)) {
        expect(distance(applied(accepted(compose(behind, map)), x), applied(behind, y))).toBeLessThan(close);
      }
      const other = convolutionMap(draw(rng, weight.length), undefined, map);
      const [a, b] = [applied(map, x), applied(other, x)];
      expect(
        distance(applied(accepted(sum([map, other])), x), { ...a, data: a.data.map((value, i) => value + b.data[i]!) }),
      ).toBeLessThan(close);
      const pads = y.sizes.concat(y.sizes).map((size) => 0 - rng.int(Math.max(1, Math.floor(size / 2))));
      const crop = asOneConvolution(
        accepted(
          sliceOutput(
            map,
            pads,
            y.sizes.map(() => 1),
          ),
        ),
      );
      const left = transposed(x, transposedWeight(crop, weightOf(crop)), crop.bias, groups, transposedWindow(crop));
      expect(
        distance(
          left,
          cropped(
            y,
            pads,
            y.sizes.map(() => 1),
          ),
        ),
      ).toBeLessThan(close);
      const wider = new Array<number>(2 * rank).fill(0).with(rng.int(2 * rank), 1 + rng.int(2));
      const grown = padOutput(map, wider, bias);
      if (isRefusal(grown)) continue;
      padded++;
      const border = field(
        4,
        y.sizes.map((size, axis) => size + wider[axis]! + wider[axis + rank]!),
        (c, point) => {
          const from = point.map((q, axis) => q - wider[axis]!);
          const outside = from.some((q, axis) => q < 0 || q >= y.sizes[axis]!);
          return outside ? bias[c]! : y.data[c * product(y.sizes) + place(y.sizes, from)]!;
        },
      );
      const form = asOneConvolution(grown);
      const made = isTransposed(form)
        ? transposed(x, transposedWeight(form, weightOf(form)), form.bias, groups, transposedWindow(form))
        : applied(form, x);
      expect(distance(made, border)).toBeLessThan(close);
    }
    expect(padded).toBeGreaterThan(3);
  });

  it("refuse what no one layer does: shifts before them, strides on either side, sums with other strides", () => {
    const rng = new Rng(1);
    const kernelSize = new Array<number>(rank).fill(2);
    const window = {
      kernelSize,
      stride: kernelSize,
      dilation: kernelSize.map(() => 1),
      pads: new Array(2 * rank).fill(0),
      outputPadding: kernelSize.map(() => 0),
    };
    const up = transposedConvolutionMap(draw(rng, 16 * product(kernelSize)), undefined, {
      ...window,
      inChannels: 4,
      outChannels: 4,
      groups: 1,
    });
    const reason = (made: ReturnType<typeof compose>): string => (isRefusal(made) ? made.refused : "none");
    const shifted = applyAffine(identityMap(4, rank), affine(4, { shift: draw(rng, 4) }));
    expect(reason(compose(up, shifted))).toMatch(/bias comes before a transposed convolution/);
    expect(reason(compose(up, applyAffine(identityMap(4, rank), affine(4, { scale: draw(rng, 4) }))))).toBe("none");
    const strided = randomMap(rng, rank, { stride: kernelSize, pads: new Array(2 * rank).fill(0) });
    expect(reason(compose(up, strided))).toMatch(/neither one nor the other/);
    expect(reason(compose(strided, up))).toMatch(/neither one nor the other/);
    expect(reason(sliceOutput(up, new Array(2 * rank).fill(0), kernelSize))).toMatch(/in steps/);
    expect(reason(sum([up, identityMap(4, rank)]))).toMatch(/unequal numbers of positions/);
    expect(reason(sum([identityMap(4, rank), identityMap(4, rank - 1)]))).toMatch(/spatial axes/);
    expect(reason(compose(identityMap(4, rank), identityMap(4, rank - 1)))).toMatch(/spatial axes/);
    const before = randomMap(
      rng,
      rank,
      { kernelSize, dilation: kernelSize.map(() => 1), pads: new Array(2 * rank).fill(0) },
      false,
    );
    const padding = { ...up, pads: new Array<number>(2 * rank).fill(3) };
    expect(reason(compose(padding, before))).toMatch(/would see part of its input/);
  });
});
