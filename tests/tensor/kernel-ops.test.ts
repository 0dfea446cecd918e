import { describe, expect, it } from "vitest";
import { ShapeError } from "#repvgg/core/errors.js";
import { addDirac, normalizeFilters, Tape } from "#repvgg/tensor/index.js";
import { backendOf } from "./backends.js";
import { describeOperation } from "./gradient-check.js";

/** weight + diag(factor)·I for a kernel of 9 taps: output channel o reads input channel o mod I at tap 4. */
function plusDirac(weight: Float64Array, inputs: number, outputs: number, factor?: Float64Array): Float64Array {
  const sum = weight.slice();
  for (let o = 0; o < outputs; o++) sum[(4 * inputs + (o % inputs)) * outputs + o]! += factor ? factor[o]! : 1;
  return sum;
}

describeOperation({
  name: "addDirac with factors, more outputs than inputs",
  inputs: { weight: { shape: [3, 3, 3, 8] }, factor: { shape: [8] } },
  operation: (tape, { weight, factor }) => addDirac(tape, weight!, factor!),
  reference: ({ weight, factor }) => plusDirac(weight!, 3, 8, factor!),
});

describeOperation({
  name: "addDirac without factors, more inputs than outputs",
  inputs: { weight: { shape: [3, 3, 5, 4] } },
  operation: (tape, { weight }) => addDirac(tape, weight!),
  reference: ({ weight }) => plusDirac(weight!, 5, 4),
});

describeOperation({
  name: "addDirac to a frozen kernel",
  inputs: { weight: { shape: [3, 3, 4, 4], frozen: true }, factor: { shape: [4] } },
  operation: (tape, { weight, factor }) => addDirac(tape, weight!, factor!),
  reference: ({ weight, factor }) => plusDirac(weight!, 4, 4, factor!),
});

function normalized(weight: Float64Array, outputs: number): Float64Array {
  const squares = new Float64Array(outputs);
  weight.forEach((value, i) => {
    squares[i % outputs]! += value * value;
  });
  return weight.map((value, i) => value / Math.sqrt(squares[i % outputs]!));
}

describeOperation({
  name: "normalizeFilters",
  inputs: { weight: { shape: [3, 3, 5, 7] } },
  operation: (tape, { weight }) => normalizeFilters(tape, weight!),
  reference: ({ weight }) => normalized(weight!, 7),
});

describeOperation({
  name: "normalizeFilters of a kernel that is used twice",
  inputs: { weight: { shape: [1, 1, 6, 3] } },
  operation: (tape, { weight }) => addDirac(tape, normalizeFilters(tape, normalizeFilters(tape, weight!))),
  reference: ({ weight }) => {
    const result = normalized(normalized(weight!, 3), 3);
    for (let o = 0; o < 3; o++) result[o * 3 + o]! += 1;
    return result;
  },
});

describe("kernel operations", () => {
  const tape = new Tape(backendOf(1));

  it("leave a filter of zeros at zero", () => {
    const weight = tape.constant([1, 1, 2, 2], [0, 3, 0, 4]);
    const [a, b, c, d] = normalizeFilters(tape, weight).toArray();
    expect([a, c]).toEqual([0, 0]);
    expect(b).toBeCloseTo(0.6, 6);
    expect(d).toBeCloseTo(0.8, 6);
    tape.reset();
  });

  it("refuse what is no kernel, or has no centre", () => {
    expect(() => normalizeFilters(tape, tape.empty([3, 3]))).toThrow(ShapeError);
    expect(() => addDirac(tape, tape.empty([2, 3, 1, 1]))).toThrow("a kernel [kh,kw,I,O] of odd sizes");
    expect(() => addDirac(tape, tape.empty([3, 3, 1, 2]), tape.empty([3]))).toThrow("factors of [2]");
    tape.reset();
  });
});
