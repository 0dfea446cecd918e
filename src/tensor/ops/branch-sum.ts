import type { KernelCall, Pointer } from "../../backend/backend.js";
import { ShapeError } from "../../core/errors.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { type BatchNormState, checkBatchNormState, inverseDeviation, observeBatch } from "./batch-norm-state.js";
import { checkSameShape } from "./shapes.js";

export interface Branch {
  /** [N,H,W,C] or [N,C]; the same shape in every branch. */
  readonly x: Tensor;
  /** Left out: x is added as it is. */
  readonly norm?: BatchNormState;
}

export interface BranchSumOptions {
  /** max(0, ·) of the sum. Default false. */
  readonly relu?: boolean;
  /** Normalise by the batch's statistics and update the running ones; otherwise normalise by the running ones. */
  readonly training: boolean;
}

/** A normalised branch and the statistics that it was normalised by. */
interface Normalized {
  readonly norm: BatchNormState;
  readonly x: Tensor;
  readonly mean: Float32Array;
  /** 1 / √(σ² + ε) */
  readonly inverse: Float64Array;
}

/** One use of the operation. */
interface Call {
  readonly tape: Tape;
  readonly branches: readonly Branch[];
  /** Of each branch; undefined where it is added as it is. */
  readonly normalized: readonly (Normalized | undefined)[];
  readonly output: Tensor;
  readonly training: boolean;
  readonly relu: boolean;
  readonly rows: number;
  readonly channels: number;
}

/**
 * The output of a multi-branch block: y = relu?( Σ_b BN_b(x_b) ), 1 to 3 branches, in one pass over memory.
 *
 * BN(x) = γ · (x − μ) / √(σ² + ε) + β by channel. With `training`, μ and σ² (biased) are the batch's, and gradients flow
 * through them: with z = the sum before ReLU, M values a channel, x̂ = (x − μ)/√(σ² + ε):
 * ∂β = Σ ∂z, ∂γ = Σ ∂z·x̂, ∂x = γ/√(σ² + ε) · (∂z − Σ∂z/M − x̂·Σ(∂z·x̂)/M) (Ioffe and Szegedy, 2015).
 * Without, μ and σ² are the constant running statistics: ∂x = γ/√(σ² + ε) · ∂z.
 *
 * @throws ShapeError when shapes differ, or in training with a single value a channel, which has no variance
 */
export function branchSum(tape: Tape, branches: readonly Branch[], options: BranchSumOptions): Tensor {
  if (branches.length < 1 || branches.length > 3) {
    throw new ShapeError({ expected: "1 to 3 branches", received: `${branches.length}` });
  }
  const { relu = false, training } = options;
  const { shape, size } = branches[0]!.x;
  const channels = shape.at(-1)!;
  const rows = size / channels;
  for (const { x, norm } of branches) {
    checkSameShape("branches", branches[0]!.x, x);
    if (norm) checkBatchNormState(norm, channels);
    if (norm && training && rows < 2) {
      throw new ShapeError({
        expected: "at least 2 values a channel to normalise by batch statistics",
        received: `[${x.shape}]`,
        remedy: "use a larger batch, or evaluate with running statistics",
      });
    }
  }

  const normalized = statistics(tape, branches, training, rows, channels);
  const output = tape.empty(shape);
  const call: Call = { tape, branches, normalized, output, training, relu, rows, channels };
  forward(call);

  const inputs = branches.flatMap(({ x, norm }) => (norm ? [x, norm.gamma, norm.beta] : [x]));
  const saved = branches.flatMap(({ x, norm }) => (norm ? [x, norm.gamma] : []));
  return tape.record({
    output,
    inputs,
    saved: relu ? [...saved, output] : saved,
    backward: () => dataGradients(call, gradientSums(call)),
  });
}

/** μ and 1/√(σ² + ε) of every normalised branch, in order; undefined for the others. */
function statistics(
  tape: Tape,
  branches: readonly Branch[],
  training: boolean,
  rows: number,
  channels: number,
): (Normalized | undefined)[] {
  if (!training) {
    return branches.map(
      ({ x, norm }) =>
        norm && {
          norm,
          x,
          mean: norm.runningMean.toArray(),
          inverse: inverseDeviation(norm.runningVariance.toArray(), norm.eps),
        },
    );
  }
  const chunk = chunkRows(channels);
  const [partial, ...results] = tape.scratch(
    Math.ceil(rows / chunk) * 2 * channels,
    ...branches.flatMap(() => [channels, channels]),
  ) as [Pointer, ...Pointer[]];
  tape.run(
    branches.flatMap(({ x, norm }, index): KernelCall[] => {
      if (!norm) return [];
      const [mean, variance] = [results[2 * index]!, results[2 * index + 1]!];
      return [
        { kernel: "batch_norm_statistics_partial", args: { x: x.pointer, partial, rows, channels, chunk } },
        { kernel: "batch_norm_statistics_merge", args: { partial, mean, variance, rows, channels, chunk } },
      ];
    }),
  );
  return branches.map(({ x, norm }, index) => {
    if (!norm) return undefined;
    const mean = tape.backend.f32(results[2 * index]!, channels).slice();
    const variance = tape.backend.f32(results[2 * index + 1]!, channels).slice();
    observeBatch(norm, mean, variance, rows);
    return { norm, x, mean, inverse: inverseDeviation(variance, norm.eps) };
  });
}

function forward({ tape, branches, normalized, output, relu, rows, channels }: Call): void {
  const blocks = tape.scratch(...branches.flatMap(() => [channels, channels]));
  const slot = (index: number): readonly [x: Pointer, scale: Pointer, shift: Pointer] => {
    const branch = branches[index];
    if (!branch) return [0, 0, 0];
    const entry = normalized[index];
    if (!entry) return [branch.x.pointer, 0, 0];
    const gamma = entry.norm.gamma.toArray();
    const beta = entry.norm.beta.toArray();
    const scale = tape.backend.f32(blocks[2 * index]!, channels);
    const shift = tape.backend.f32(blocks[2 * index + 1]!, channels);
    for (let c = 0; c < channels; c++) {
      const t = gamma[c]! * entry.inverse[c]!;
      scale[c] = t;
      shift[c] = beta[c]! - entry.mean[c]! * t;
    }
    return [branch.x.pointer, blocks[2 * index]!, blocks[2 * index + 1]!];
  };
  const [[x0, scale0, shift0], [x1, scale1, shift1], [x2, scale2, shift2]] = [slot(0), slot(1), slot(2)];
  tape.run([
    {
      kernel: "branch_sum_forward",
      args: {
        ...{ x0, scale0, shift0, x1, scale1, shift1, x2, scale2, shift2 },
        ...{ y: output.pointer, rows, channels, relu: relu ? 1 : 0 },
      },
    },
  ]);
}

/** Σ ∂z by channel, and Σ ∂z·(x_b − μ_b) of every normalised branch. */
interface GradientSums {
  readonly dz: Float32Array;
  readonly dzx: ReadonlyMap<Normalized, Float32Array>;
}

function gradientSums({ tape, normalized, output, relu, rows, channels }: Call): GradientSums | undefined {
  const entries = normalized.filter((entry) => entry !== undefined);
  if (entries.length === 0) return undefined;
  const chunk = chunkRows(channels);
  const chunks = Math.ceil(rows / chunk);
  const [partial, sums, ...means] = tape.scratch(
    chunks * 4 * channels,
    4 * channels,
    ...entries.map(() => channels),
  ) as [Pointer, Pointer, ...Pointer[]];
  entries.forEach(({ mean }, index) => {
    tape.backend.f32(means[index]!, channels).set(mean);
  });
  const [x0, x1, x2] = [0, 1, 2].map((index) => entries[index]?.x.pointer ?? 0) as [Pointer, Pointer, Pointer];
  const [mean0, mean1, mean2] = [0, 1, 2].map((index) => means[index] ?? 0) as [Pointer, Pointer, Pointer];
  const y = relu ? output.pointer : 0;
  tape.run([
    {
      kernel: "branch_sum_backward_partial",
      args: { dy: output.gradient, y, x0, mean0, x1, mean1, x2, mean2, partial, rows, channels, chunk },
    },
    { kernel: "branch_sum_backward_merge", args: { partial, sums, chunks, channels } },
  ]);
  const row = (index: number): Float32Array => tape.backend.f32(sums + index * channels, channels).slice();
  return { dz: row(0), dzx: new Map(entries.map((entry, index) => [entry, row(index + 1)])) };
}

function dataGradients(call: Call, sums: GradientSums | undefined): void {
  const { tape, branches, normalized, output, training, relu, rows, channels } = call;
  const blocks = tape.scratch(...branches.map(() => 3 * channels));
  type Slot = readonly [x: Pointer, coefficients: Pointer, dx: Pointer, accumulate: 0 | 1];
  const slot = (index: number): Slot => {
    const branch = branches[index];
    if (!branch) return [0, 0, 0, 0];
    const entry = normalized[index];
    if (entry && sums) affineGradients(entry, sums);
    const target = branch.x.gradientTarget();
    if (!target) return [0, 0, 0, 0];
    if (!entry || !sums) return [0, 0, target.pointer, target.accumulate];
    const [a, b, c] = [0, 1, 2].map((row) => tape.backend.f32(blocks[index]! + row * channels, channels)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const gamma = entry.norm.gamma.toArray();
    const dzx = sums.dzx.get(entry)!;
    for (let k = 0; k < channels; k++) {
      const inverse = entry.inverse[k]!;
      const t = gamma[k]! * inverse;
      const slope = training ? (-t * inverse * inverse * dzx[k]!) / rows : 0;
      a[k] = t;
      b[k] = slope;
      c[k] = training ? (-t * sums.dz[k]!) / rows - slope * entry.mean[k]! : 0;
    }
    return [branch.x.pointer, blocks[index]!, target.pointer, target.accumulate];
  };
  const [x0, coefficients0, dx0, accumulate0] = slot(0);
  const [x1, coefficients1, dx1, accumulate1] = slot(1);
  const [x2, coefficients2, dx2, accumulate2] = slot(2);
  tape.run([
    {
      kernel: "branch_sum_backward_data",
      args: {
        ...{ dy: output.gradient, y: relu ? output.pointer : 0, rows, channels },
        ...{ x0, coefficients0, dx0, accumulate0 },
        ...{ x1, coefficients1, dx1, accumulate1 },
        ...{ x2, coefficients2, dx2, accumulate2 },
      },
    },
  ]);
}

/** ∂β = Σ ∂z and ∂γ = Σ ∂z·(x − μ) / √(σ² + ε). */
function affineGradients(entry: Normalized, sums: GradientSums): void {
  const dzx = sums.dzx.get(entry)!;
  entry.norm.beta.addToGradient(sums.dz);
  entry.norm.gamma.addToGradient(entry.inverse.map((inverse, c) => inverse * dzx[c]!));
}

/** Rows of one partial sum: about 64 kB, which a core's cache holds for the second pass over them. */
function chunkRows(channels: number): number {
  return Math.max(32, Math.floor(16384 / channels));
}
