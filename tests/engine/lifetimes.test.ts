import { describe, expect, it } from "vitest";
import { schedule } from "#repvgg/engine/plan/lifetimes.js";
import type { Buffer, Step } from "#repvgg/lowering/step.js";

const buffer = (name: string, words = 8): Buffer => ({ name, words });

function step(name: string, reads: Buffer[], write: Buffer, extra: Partial<Step> = {}): Step {
  return {
    name,
    op: name,
    algorithm: name,
    outputShape: [write.words],
    macs: 0,
    reads,
    write,
    mayOverwrite: [],
    constants: [],
    workspaceWords: 0,
    calls: () => [],
    ...extra,
  };
}

describe("schedule", () => {
  const [x, y, z] = [buffer("x"), buffer("y"), buffer("z")];

  it("works in place where the operand dies", () => {
    const { slotOf, slots } = schedule([step("relu", [x], y, { mayOverwrite: [x] })], [x], [y]);
    expect(slotOf.get(y)).toBe(slotOf.get(x));
    expect(slots).toEqual([{ words: 8, start: -1, end: 1 }]);
  });

  it("does not work in place where the operand is read later, is an output, or has another size", () => {
    const relu = step("relu", [x], y, { mayOverwrite: [x] });
    const later = schedule([relu, step("add", [x, y], z)], [x], [z]);
    expect(later.slotOf.get(y)).not.toBe(later.slotOf.get(x));
    const output = schedule([relu], [x], [x, y]);
    expect(output.slotOf.get(y)).not.toBe(output.slotOf.get(x));
    const small = buffer("small", 4);
    const pooled = schedule([step("pool", [x], small, { mayOverwrite: [x] })], [x], [small]);
    expect(pooled.slotOf.get(small)).not.toBe(pooled.slotOf.get(x));
  });

  it("accumulates into an operand that dies, without a copy", () => {
    const { steps, slotOf } = schedule([step("conv", [x, y], z, { accumulate: y })], [x, y], [z]);
    expect(steps.map((s) => s.algorithm)).toEqual(["conv"]);
    expect(slotOf.get(z)).toBe(slotOf.get(y));
  });

  it("copies the operand first where it is needed later or is the convolution's own input", () => {
    const later = schedule([step("conv", [x, y], z, { accumulate: y })], [x, y], [y, z]);
    expect(later.steps.map((s) => s.algorithm)).toEqual(["copy", "conv"]);
    expect(later.slotOf.get(z)).not.toBe(later.slotOf.get(y));
    const own = schedule([step("conv", [x, x], z, { accumulate: x })], [x], [z]);
    expect(own.steps.map((s) => s.algorithm)).toEqual(["copy", "conv"]);
    expect(own.slotOf.get(z)).not.toBe(own.slotOf.get(x));
    expect(own.steps[1]!.reads).toContain(x);
  });
});
