import type { Buffer, Step } from "../../lowering/step.js";
import type { Lifetime } from "./arena.js";

/** Steps in their final order, and which buffers share memory. */
export interface Scheduled {
  readonly steps: readonly Step[];
  /** Buffer → index of its slot: a piece of memory that one buffer after another uses, each overwriting the last in place. */
  readonly slotOf: ReadonlyMap<Buffer, number>;
  /** When each slot is needed; step −1 is the caller's writing of the inputs, step `steps.length` his reading of the outputs. */
  readonly slots: readonly Lifetime[];
}

/**
 * Decides what is done in place. A step's result takes over the memory of an operand that is read here for the last time, where
 * the step allows it; a step that accumulates gets a copy of its operand first, where the operand is still needed.
 */
export function schedule(steps: readonly Step[], inputs: readonly Buffer[], outputs: readonly Buffer[]): Scheduled {
  const scheduled = insertCopies(steps, outputs);
  const lastRead = lastReads(scheduled, outputs);
  const slotOf = new Map<Buffer, number>();
  const slots: { words: number; start: number; end: number }[] = [];
  const open = (buffer: Buffer, start: number): void => {
    slotOf.set(buffer, slots.length);
    slots.push({ words: buffer.words, start, end: lastRead.get(buffer) ?? start });
  };
  for (const buffer of inputs) open(buffer, -1);
  scheduled.forEach((step, index) => {
    const operand =
      step.accumulate ?? step.mayOverwrite.find((b) => lastRead.get(b) === index && b.words === step.write.words);
    if (operand === undefined) {
      open(step.write, index);
      return;
    }
    const slot = slotOf.get(operand)!;
    slotOf.set(step.write, slot);
    slots[slot]!.end = Math.max(index, lastRead.get(step.write) ?? index);
  });
  return { steps: scheduled, slotOf, slots };
}

function insertCopies(steps: readonly Step[], outputs: readonly Buffer[]): Step[] {
  const lastRead = lastReads(steps, outputs);
  return steps.flatMap((step, index) => {
    const base = step.accumulate;
    if (base === undefined) return [step];
    const readTwice = step.reads.filter((buffer) => buffer === base).length > 1;
    if (lastRead.get(base) === index && !readTwice) return [step];
    const copy: Buffer = { name: `${base.name} (copy)`, words: base.words };
    return [copyStep(step, base, copy), withBase(step, base, copy)];
  });
}

function lastReads(steps: readonly Step[], outputs: readonly Buffer[]): Map<Buffer, number> {
  const lastRead = new Map<Buffer, number>();
  steps.forEach((step, index) => {
    for (const buffer of step.reads) lastRead.set(buffer, index);
  });
  for (const buffer of outputs) lastRead.set(buffer, steps.length);
  return lastRead;
}

function copyStep(step: Step, from: Buffer, to: Buffer): Step {
  return {
    name: step.name,
    op: "Identity",
    algorithm: "copy",
    outputShape: step.outputShape,
    macs: 0,
    reads: [from],
    write: to,
    mayOverwrite: [],
    constants: [],
    workspaceWords: 0,
    calls: (at) => [{ kernel: "copy", args: { x: at.of(from), y: at.of(to), n: from.words } }],
  };
}

/** The same step on another base. Its calls address the result only, so that only the bookkeeping changes. */
function withBase(step: Step, base: Buffer, copy: Buffer): Step {
  const reads = [...step.reads];
  reads[reads.indexOf(base)] = copy;
  return { ...step, reads, accumulate: copy };
}
