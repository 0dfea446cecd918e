import type { Backend } from "../backend/backend.js";
import { UserError } from "../core/errors.js";
import { f32, type NamedArray, type NamedArrays, toFloat32 } from "../core/named-arrays.js";
import { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Architecture, epsilonOf } from "./architecture.js";
import { initialState } from "./initialize.js";
import { type BlockLayout, blockLayouts } from "./layout.js";
import type { Model } from "./model.js";
import { createNetwork } from "./network.js";
import type { BatchNormLayer } from "./weights.js";

/**
 * Whether blocks of the net can get branches again: all of the plain form, those that are plain of a half-folded RepVGG. (Half-folded nets of
 * other kinds of blocks stay as they are: a net has blocks of one kind.)
 */
export function hasPlainBlocks({ form, architecture }: Pick<Model, "form" | "architecture">): boolean {
  return (
    form === "plain" ||
    (architecture.block.kind === "repvgg" && blockLayouts(architecture).some(({ folded }) => folded))
  );
}

/**
 * The training form of a net whose branches were folded away: every plain block gets RepVGG's branches, and gives the same outputs as
 * before but for rounding. Each tap of the 3×3 kernel is divided evenly among the branches that have it: the centre is halved between 3×3 and
 * 1×1, its diagonal divided among these and the identity. So no branch undoes what another does, as subtracting a whole identity or
 * a random 1×1 kernel would, and none begins at 0.
 *
 * BatchNorms begin as maps that change nothing: mean 0, variance 1, γ = √(1 + ε) (the identity's by its share), β = 0, and the bias in
 * the 3×3 branch's. {@link withStatistics} gives them the statistics of pictures, which training with batch statistics needs.
 * Blocks of another kind that were folded come back as RepVGG's: their own branches cannot be read off a kernel. Auxiliary heads are fresh.
 * @param seed of auxiliary heads
 */
export function withBranchesAgain(model: Model, seed = 0): Model {
  if (!hasPlainBlocks(model)) return model;
  const plain = blockLayouts(model.architecture).map(({ folded }) => model.form === "plain" || folded);
  const architecture = branched(model.architecture, plain);
  const state = new Map<string, NamedArray>(initialState(architecture, "train", seed));
  const layouts = blockLayouts(architecture);
  const gone = layouts.filter((_, layer) => plain[layer]).map(({ path }) => `${path}.rbr_reparam.`);
  for (const [name, array] of model.state) if (!gone.some((path) => name.startsWith(path))) state.set(name, array);
  layouts.forEach((layout, layer) => {
    if (!plain[layer]) return;
    const weight = model.state.get(`${layout.path}.rbr_reparam.weight`)!;
    const bias = model.state.get(`${layout.path}.rbr_reparam.bias`)!;
    for (const [name, array] of split(layout, weight, bias, architecture)) state.set(name, array);
  });
  return { ...model, architecture, form: "train", state };
}

/** The architecture whose plain layers have branches. */
function branched(architecture: Architecture, plain: readonly boolean[]): Architecture {
  const { block, layers: exceptions = {}, ...rest } = architecture;
  const layers = Object.fromEntries(
    Object.entries(exceptions).flatMap(([layer, exception]) => {
      const { folded: _, ...others } = exception;
      const kept = plain[Number(layer)] ? others : exception;
      return Object.keys(kept).length === 0 ? [] : [[layer, kept]];
    }),
  );
  return {
    ...rest,
    ...(Object.keys(layers).length > 0 && { layers }),
    block: block.kind !== "repvgg" ? { kind: "repvgg", pointwise: true, identity: true } : block,
  };
}

/** The branches of a plain block, by their official names. */
function split(layout: BlockLayout, weight: NamedArray, bias: NamedArray, architecture: Architecture): NamedArrays {
  const { path, outChannels, inChannels, groups, pointwise, identity } = layout;
  const inputs = inChannels / groups;
  const outputs = outChannels / groups;
  const dense = Float64Array.from(toFloat32(weight));
  const small = new Float64Array(outChannels * inputs);
  const through = new Float64Array(outChannels);
  for (let o = 0; o < outChannels; o++) {
    for (let i = 0; i < inputs; i++) {
      const centre = (o * inputs + i) * 9 + 4;
      const onDiagonal = identity && Math.floor(o / outputs) * inputs + i === o;
      const share = dense[centre]! / (1 + (pointwise ? 1 : 0) + (onDiagonal ? 1 : 0));
      dense[centre] = share;
      small[o * inputs + i] = share;
      if (onDiagonal) through[o] = share;
    }
  }
  const state = new Map<string, NamedArray>();
  const norm = (at: string, scales: Float64Array | undefined, shift: Float32Array): void => {
    const unit = Math.sqrt(1 + epsilonOf(architecture, at));
    const vector = (value: (c: number) => number): NamedArray =>
      f32(
        [outChannels],
        Float32Array.from({ length: outChannels }, (_, c) => value(c)),
      );
    state.set(
      `${at}.weight`,
      vector((c) => unit * (scales ? scales[c]! : 1)),
    );
    state.set(`${at}.bias`, f32([outChannels], shift));
    state.set(
      `${at}.running_mean`,
      vector(() => 0),
    );
    state.set(
      `${at}.running_var`,
      vector(() => 1),
    );
  };
  state.set(`${path}.rbr_dense.conv.weight`, f32(weight.shape, Float32Array.from(dense)));
  norm(`${path}.rbr_dense.bn`, undefined, toFloat32(bias).slice());
  if (pointwise) {
    state.set(`${path}.rbr_1x1.conv.weight`, f32([outChannels, inputs, 1, 1], Float32Array.from(small)));
    norm(`${path}.rbr_1x1.bn`, undefined, new Float32Array(outChannels));
  }
  if (identity) norm(`${path}.rbr_identity`, through, new Float32Array(outChannels));
  return state;
}

/**
 * A net that {@link withBranchesAgain} made, with the statistics of pictures in its new BatchNorms: mean and variance of what each normalises
 * become the exact ones over all batches, γ and β what keeps the net's function: with t = γ/√(σ² + ε) before, γ′ = t·√(σ′² + ε) and
 * β′ = β + t·(μ′ − μ). Other BatchNorms stay as they are.
 * @param before the net with its plain blocks, which says what the new branches read
 * @param toInput makes a batch a tensor [N,H,W,C] on the given tape
 * @throws UserError for a stream without batches
 */
export async function withStatistics<B>(
  backend: Backend,
  model: Model,
  before: Model,
  batches: AsyncIterable<B> | Iterable<B>,
  toInput: (tape: Tape, batch: B) => Tensor,
): Promise<Model> {
  const plain = createNetwork(backend, before);
  const network = createNetwork(backend, model, { momentum: "cumulative" });
  const tape = new Tape(backend);
  try {
    const added = network.blocks.map(({ layout }, layer) =>
      before.form === "plain" || plain.blocks[layer]!.layout.folded ? layout.path : undefined,
    );
    const norms = network
      .batchNorms()
      .filter(({ path }) => added.some((block) => block && path.startsWith(`${block}.`)));
    const statistics = (): Statistics[] =>
      norms.map(({ runningMean, runningVariance }) => [runningMean.toArray(), runningVariance.toArray()]);
    const old = statistics();
    for (const { observed } of norms) observed.batches = 0;
    for await (const batch of batches) {
      tape.noGradient(() => {
        let x = toInput(tape, batch);
        plain.blocks.forEach((block, layer) => {
          if (added[layer] !== undefined)
            tape.release(tape.scope(() => network.blocks[layer]!.forward(tape, x, { training: true })));
          const y = tape.scope(() => block.forward(tape, x, { training: false }));
          tape.release(x);
          x = y;
        });
      });
      tape.reset();
    }
    if (norms.some(({ observed }) => observed.batches === 0)) {
      throw new UserError({ expected: "at least one batch to take statistics of", received: "none" });
    }
    norms.forEach((norm, i) => {
      restate(norm, old[i]!);
      // Statistics that pictures gave and no training are none of its batches.
      norm.observed.batches = 0;
    });
    return { ...model, state: network.state() };
  } finally {
    tape.dispose();
    network.dispose();
    plain.dispose();
  }
}

type Statistics = readonly [mean: Float32Array, variance: Float32Array];

/** γ and β that do with the statistics now what they did with the old ones. */
function restate(
  { gamma, beta, runningMean, runningVariance, eps }: BatchNormLayer,
  [mean, variance]: Statistics,
): void {
  const [newMean, newVariance] = [runningMean.toArray(), runningVariance.toArray()];
  const [scales, shifts] = [gamma.toArray(), beta.toArray()];
  for (let c = 0; c < scales.length; c++) {
    const t = scales[c]! / Math.sqrt(variance[c]! + eps);
    scales[c] = t * Math.sqrt(newVariance[c]! + eps);
    shifts[c]! += t * (newMean[c]! - mean[c]!);
  }
  gamma.set(scales);
  beta.set(shifts);
}
