import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bfloat16ToNumber,
  halfToNumber,
  numberToBfloat16,
  numberToHalf,
  toFloat64,
} from "#repvgg/core/named-arrays.js";

describe("half precision", () => {
  it("round-trips every one of the 65,536 halves", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfToNumber(bits);
      if (Number.isNaN(value)) expect(halfToNumber(numberToHalf(value))).toBeNaN();
      else if (numberToHalf(value) !== bits) expect.fail(`${bits} → ${value} → ${numberToHalf(value)}`);
    }
  });

  it("round-trips every bfloat16", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = bfloat16ToNumber(bits);
      if (Number.isNaN(value)) expect(bfloat16ToNumber(numberToBfloat16(value))).toBeNaN();
      else if (numberToBfloat16(value) !== bits) expect.fail(`${bits} → ${value} → ${numberToBfloat16(value)}`);
    }
  });

  it("rounds to the nearest half, ties to even", () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(-65504), max: Math.fround(65504), noNaN: true }), (x) => {
        const bits = numberToHalf(x);
        const error = Math.abs(halfToNumber(bits) - x);
        for (const near of [bits - 1, bits + 1]) {
          const other = halfToNumber(near & 0xffff);
          if (!Number.isFinite(other)) continue;
          const otherError = Math.abs(other - x);
          expect(
            error < otherError || (error === otherError && bits % 2 === 0) || Math.sign(other) !== Math.sign(x),
          ).toBe(true);
        }
      }),
    );
    expect(numberToHalf(65519)).toBe(0x7bff);
    expect(numberToHalf(65520)).toBe(0x7c00);
  });
});

it("reads integers as float64", () => {
  expect([...toFloat64({ dtype: "i64", shape: [2], data: BigInt64Array.of(-3n, 4n) })]).toEqual([-3, 4]);
  expect([...toFloat64({ dtype: "bool", shape: [2], data: Uint8Array.of(0, 1) })]).toEqual([0, 1]);
});
