import { describe, expect, it } from "vitest";
import { decodeRuns, encodeRun } from "#repvgg/ablation/depth/results.js";
import { FormatError } from "#repvgg/core/errors.js";
import { madeRun } from "./runs.js";

const runs = [0, 1, 2].map((seed) => madeRun({ layers: 5, variant: "base", seed }, seed === 2 ? null : 0.5));
const text = runs.map(encodeRun).join("");

describe("a results file", () => {
  it("gives back what was written", () => {
    expect(decodeRuns(text, "results.jsonl")).toEqual(runs);
    expect(decodeRuns("", "results.jsonl")).toEqual([]);
  });

  it("may be cut anywhere: whole lines count, the last one's part is trained again", () => {
    for (let end = 0; end <= text.length; end++) {
      const whole = text.slice(0, end).split("\n").length - 1;
      expect(decodeRuns(text.slice(0, end), "results.jsonl")).toEqual(runs.slice(0, whole));
    }
  });

  it("has each part once: the later line counts", () => {
    const again = madeRun({ layers: 5, variant: "base", seed: 1 }, 0.9);
    expect(decodeRuns(text + encodeRun(again), "results.jsonl")).toEqual([runs[0], again, runs[2]]);
  });

  it.each([
    ["no JSON", "{"],
    ["another record", '{"kind":"epoch"}'],
    ["null", "null"],
    ["a number that is none", encodeRun(runs[0]!).replace('"stepSeconds":0.2', '"stepSeconds":"0.2"').trim()],
    ["an outcome without a number", encodeRun(runs[0]!).replace('"top1":0.5', '"top1":null').trim()],
    ["gradients of something", encodeRun(runs[0]!).replace('"end":[0.1', '"end":["a"').trim()],
  ])("is refused for a line that is %s, by its number", (_, line) => {
    const read = (): unknown => decodeRuns(`${encodeRun(runs[0]!)}${line}\n`, "results.jsonl");
    expect(read).toThrow(FormatError);
    expect(read).toThrow(
      "expected one run of a depth study a line, received something else in line 2 of results.jsonl: remove the line: its part is trained again",
    );
  });
});
