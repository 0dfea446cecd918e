/**
 * A 3×3 kernel on 3×3 positions padded by one: the source on which a RepVGG's blocks are proven. Each weight is read once; of 81 products of
 * taps and positions, the 49 that lie inside. `value[to + p]` for the nine positions p, Σ over channels.
 * @param weight [channels][9] from `k` on
 * @param x [channels][9] from `s` on
 */
export function same3x3(
  value: Float64Array,
  to: number,
  weight: Float32Array | Float64Array,
  k: number,
  channels: number,
  x: Float64Array,
  s: number,
): void {
  let [v0, v1, v2, v3, v4, v5, v6, v7, v8] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let c = 0, i = k, at = s; c < channels; c++, i += 9, at += 9) {
    const [x0, x1, x2] = [x[at]!, x[at + 1]!, x[at + 2]!];
    const [x3, x4, x5] = [x[at + 3]!, x[at + 4]!, x[at + 5]!];
    const [x6, x7, x8] = [x[at + 6]!, x[at + 7]!, x[at + 8]!];
    let w = weight[i]!;
    v4 += w * x0;
    v5 += w * x1;
    v7 += w * x3;
    v8 += w * x4;
    w = weight[i + 1]!;
    v3 += w * x0;
    v4 += w * x1;
    v5 += w * x2;
    v6 += w * x3;
    v7 += w * x4;
    v8 += w * x5;
    w = weight[i + 2]!;
    v3 += w * x1;
    v4 += w * x2;
    v6 += w * x4;
    v7 += w * x5;
    w = weight[i + 3]!;
    v1 += w * x0;
    v2 += w * x1;
    v4 += w * x3;
    v5 += w * x4;
    v7 += w * x6;
    v8 += w * x7;
    w = weight[i + 4]!;
    v0 += w * x0;
    v1 += w * x1;
    v2 += w * x2;
    v3 += w * x3;
    v4 += w * x4;
    v5 += w * x5;
    v6 += w * x6;
    v7 += w * x7;
    v8 += w * x8;
    w = weight[i + 5]!;
    v0 += w * x1;
    v1 += w * x2;
    v3 += w * x4;
    v4 += w * x5;
    v6 += w * x7;
    v7 += w * x8;
    w = weight[i + 6]!;
    v1 += w * x3;
    v2 += w * x4;
    v4 += w * x6;
    v5 += w * x7;
    w = weight[i + 7]!;
    v0 += w * x3;
    v1 += w * x4;
    v2 += w * x5;
    v3 += w * x6;
    v4 += w * x7;
    v5 += w * x8;
    w = weight[i + 8]!;
    v0 += w * x4;
    v1 += w * x5;
    v3 += w * x7;
    v4 += w * x8;
  }
  value[to] = v0;
  value[to + 1] = v1;
  value[to + 2] = v2;
  value[to + 3] = v3;
  value[to + 4] = v4;
  value[to + 5] = v5;
  value[to + 6] = v6;
  value[to + 7] = v7;
  value[to + 8] = v8;
}
