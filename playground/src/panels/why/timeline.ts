import type { BlockLayout, NetPlan } from "repvgg/browser";

/** One step of a form's plan, placed along the net. */
export interface TimelineStep {
  /** From where to where the step reaches, in blocks: block 3 is 3 … 4, what follows the blocks is the last one. */
  readonly from: number;
  readonly to: number;
  readonly name: string;
  readonly op: string;
  readonly bytes: number;
  /** Separate activations that are alive. */
  readonly alive: number;
  readonly macs: number;
}

/** A plan's steps spread evenly inside the block that they belong to, so that both forms can be laid over each other. */
export function timeline({ report, memory }: NetPlan, blocks: readonly Pick<BlockLayout, "path">[]): TimelineStep[] {
  const owners = memory.points.map(({ step }) => ownerOf(step, blocks));
  const perOwner = new Map<number, number>();
  for (const owner of owners) perOwner.set(owner, (perOwner.get(owner) ?? 0) + 1);
  const done = new Map<number, number>();
  return memory.points.map((point, i) => {
    const owner = owners[i]!;
    const place = done.get(owner) ?? 0;
    done.set(owner, place + 1);
    const count = perOwner.get(owner)!;
    return {
      from: owner + place / count,
      to: owner + (place + 1) / count,
      name: point.step,
      op: point.op,
      bytes: point.activationBytes,
      alive: point.activations,
      macs: report.steps[i]!.macs,
    };
  });
}

/** Index of the block that a step belongs to; the number of blocks for what follows them. */
function ownerOf(step: string, blocks: readonly Pick<BlockLayout, "path">[]): number {
  const found = blocks.findIndex(({ path }) => step === path || step.startsWith(`${path}.`));
  return found === -1 ? blocks.length : found;
}

/** The step at a place along the net. */
export function stepAt(steps: readonly TimelineStep[], place: number): TimelineStep | undefined {
  return steps.find(({ from, to }) => place >= from && place < to) ?? steps.at(-1);
}
