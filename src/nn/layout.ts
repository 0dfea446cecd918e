import type { Architecture } from "./architecture.js";

/** One block of a net, with everything that its architecture decides about it. */
export interface BlockLayout {
  /** Official module path: `stage0`, `stage1.0`, `stage3_first.blocks.2`. */
  readonly path: string;
  /** 0, 1, 2, … */
  readonly stage: number;
  /** It gives the stage's output. */
  readonly lastOfStage: boolean;
  /** Channels that it reads. */
  readonly inChannels: number;
  /** Channels that it gives. */
  readonly outChannels: number;
  /** Of its 3×3 convolution, in both directions. */
  readonly stride: number;
  /** Of its 3×3 and 1×1 convolutions. */
  readonly groups: number;
  /** The 1×1 branch exists (in training form, like all that follows but squeezeExcite). */
  readonly pointwise: boolean;
  /** The identity branch exists. */
  readonly identity: boolean;
  /** Plain also in training form. */
  readonly folded: boolean;
  /** On its output; null: none. */
  readonly squeezeExcite: SqueezeExciteLayout | null;
}

/** The squeeze-and-excitation of a block (Hu et al., 2018). */
export interface SqueezeExciteLayout {
  /** Official module path: `stage1.0.se` before the ReLU, `stage1.blocks.0.post_se` after it. */
  readonly path: string;
  /** Before the block's ReLU (D2se) or after it (RepVGGplus). */
  readonly position: "before-relu" | "after-relu";
  /** Of the block's output. */
  readonly channels: number;
  /** Channels between its two 1×1 convolutions. */
  readonly squeezed: number;
}

/** An auxiliary classifier of RepVGGplus: 3×3 convolution with stride 2, BN, ReLU, global average, linear. */
export interface AuxHeadLayout {
  /** `stage1_aux`, `stage2_aux`, `stage3_first_aux`: also the name of its output. */
  readonly path: string;
  /** Path of the block whose output it reads. */
  readonly after: string;
  readonly channels: number;
}

/** The blocks of a net in the order in which they run. */
export function blockLayouts(architecture: Architecture): BlockLayout[] {
  const { depths, widths, strides, groups, inputChannels, block, squeezeExcite, layers } = architecture;
  const layouts: BlockLayout[] = [];
  const plus = architecture.family === "repvggplus";
  let inChannels = inputChannels;
  for (let stage = 0; stage <= depths.length; stage++) {
    const depth = stage === 0 ? 1 : depths[stage - 1]!;
    for (let index = 0; index < depth; index++) {
      const path = stage === 0 ? "stage0" : plus ? plusPath(stage, index, depth) : `stage${stage}.${index}`;
      const layer = layouts.length; // stage 0 is layer 0
      const exception = layers?.[layer];
      const folded = exception?.folded ?? false;
      const outChannels = exception?.width ?? widths[stage]!;
      const stride = index === 0 ? strides[stage]! : 1;
      layouts.push({
        path,
        stage,
        lastOfStage: index === depth - 1,
        inChannels,
        outChannels,
        stride,
        groups: groups[layer] ?? 1,
        pointwise: !folded && (exception?.pointwise ?? block.pointwise),
        identity: !folded && (exception?.identity ?? block.identity) && stride === 1 && inChannels === outChannels,
        folded,
        squeezeExcite: squeezeExcite && {
          path: `${path}.${squeezeExcite.position === "after-relu" ? "post_se" : "se"}`,
          position: squeezeExcite.position,
          channels: outChannels,
          squeezed: Math.floor(outChannels / squeezeExcite.ratio),
        },
      });
      inChannels = outChannels;
    }
  }
  return layouts;
}

/** RepVGGplus cuts its third stage in two halves, so that an auxiliary head can stand between them. */
function plusPath(stage: number, index: number, depth: number): string {
  if (stage !== 3) return `stage${stage}.blocks.${index}`;
  const first = Math.floor(depth / 2);
  return index < first ? `stage3_first.blocks.${index}` : `stage3_second.blocks.${index - first}`;
}

/** The auxiliary heads of the training form; none outside RepVGGplus. */
export function auxHeadLayouts(architecture: Architecture): AuxHeadLayout[] {
  if (architecture.family !== "repvggplus") return [];
  const { depths } = architecture;
  const channels = new Map(blockLayouts(architecture).map(({ path, outChannels }) => [path, outChannels]));
  const head = (path: string, after: string): AuxHeadLayout => ({ path, after, channels: channels.get(after)! });
  return [
    head("stage1_aux", plusPath(1, depths[0]! - 1, depths[0]!)),
    head("stage2_aux", plusPath(2, depths[1]! - 1, depths[1]!)),
    head("stage3_first_aux", plusPath(3, Math.floor(depths[2]! / 2) - 1, depths[2]!)),
  ];
}

/** Channels that the classifier reads. */
export function featureChannels(architecture: Architecture): number {
  return blockLayouts(architecture).at(-1)!.outChannels;
}
