import { describe, expect, it } from "vitest";
import { bfloat16ToNumber, halfToNumber, numberToBfloat16, numberToHalf } from "#repvgg/core/named-arrays.js";
import { castFloats } from "#repvgg/graph/precision.js";
import { diagnose } from "#repvgg/verify/diagnose.js";
import { folded, oracleGraph, stateOf, withConstants } from "./support.js";
import { block, blockCount, difference, first, isFloat, noStep, plain, train, verification } from "./tiny.js";

describe("16 bits", () => {
  it("after the fold", () => {
    const candidate = castFloats(folded(train), "f16");
    const found = first(train, candidate);
    expect(found).toMatchObject({ cause: "fp16-rounding", where: "stage0", others: [] });
    expect(found.blocks.length).toBe(blockCount);
    const stored = withConstants(plain, isFloat, (values) => values.map((x) => halfToNumber(numberToHalf(x))));
    expect(first(train, stored)).toMatchObject({ cause: "fp16-rounding", others: [] });
    const brain = withConstants(plain, isFloat, (values) => values.map((x) => bfloat16ToNumber(numberToBfloat16(x))));
    expect(first(train, brain)).toMatchObject({ cause: "bf16-rounding", others: [] });
  });

  it("before the fold: a checkpoint saved as float16", async () => {
    const half = await oracleGraph("tiny", "train", await stateOf("tiny-half.pth"));
    const found = first(train, folded(half));
    expect(found).toMatchObject({ cause: "fp16-rounding", where: "stage0", others: [] });
    expect(found.evidence).toContain("before the fold");
  });

  it("is not what a missing branch is taken for", () => {
    const candidate = castFloats(folded(noStep(train, `${block}.sum`, `${block}.rbr_dense`)), "f16");
    const causes = diagnose(train, candidate, undefined);
    expect(causes[0]).toMatchObject({ cause: "missing-1x1-branch", where: block });
    expect(causes.map(({ cause }) => cause)).toEqual(["missing-1x1-branch", "fp16-rounding"]);
  });

  it.each([
    ["infinite", (x: number) => halfToNumber(numberToHalf(x))],
    ["cut", (x: number) => halfToNumber(numberToHalf(Math.max(-65504, Math.min(65504, x))))],
  ])("overflows to %s", (words, round) => {
    const loud = withConstants(
      train,
      (name) => name === `${block}.rbr_dense.bn.weight`,
      (values) => {
        values[3] = 3e6;
        return values;
      },
    );
    const candidate = withConstants(folded(loud), isFloat, (values) => values.map(round));
    const found = first(loud, candidate);
    expect(found).toMatchObject({ cause: "fp16-overflow", where: block, others: ["fp16-rounding"] });
    expect(found.evidence).toMatch(new RegExp(`numbers? beyond 65504.*${words}`));
  });

  it("overflows in the values", () => {
    const measured = verification({ outputs: { ...difference(0), nonFinite: 3 }, firstParted: "stage3.0.rbr_reparam" });
    const half = castFloats(folded(train), "f16");
    const [found] = diagnose(half, half, measured);
    expect(found).toMatchObject({ cause: "fp16-overflow", where: "stage3.0" });
  });
});
