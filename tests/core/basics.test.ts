import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type ConvGeometry,
  checkConvGeometry,
  convGeometry,
  convMacs,
  convOutHeight,
  convOutWidth,
} from "#repvgg/core/conv-geometry.js";
import { asFloat32, convertedArray, deferredArray, inMemory, writeFloat32 } from "#repvgg/core/deferred-array.js";
import { FormatError, nearest, ShapeError, UserError, VerificationError } from "#repvgg/core/errors.js";
import { byteSize, duration, percent, plural, shortNumber, wholeCount } from "#repvgg/core/format.js";
import {
  bytesPerElement,
  type DType,
  elementCount,
  f32,
  type NamedArray,
  numberToBfloat16,
  numberToHalf,
  storageConstructor,
  toFloat32,
  toFloat64,
} from "#repvgg/core/named-arrays.js";
import { packError, unpackError } from "#repvgg/core/packed-error.js";
import { imagenetMean, imagenetStd } from "#repvgg/core/preprocessing.js";
import { quantile, quartiles } from "#repvgg/core/statistics.js";
import { yieldToEvents } from "#repvgg/core/yield.js";

describe("convolution geometry", () => {
  const every: ConvGeometry = {
    ...{ batch: 2, height: 11, width: 17, inChannels: 6, outChannels: 9, groups: 3 },
    ...{ kernelHeight: 3, kernelWidth: 2, strideHeight: 2, strideWidth: 3, dilationHeight: 2, dilationWidth: 4 },
    ...{ padTop: 1, padLeft: 2, padBottom: 4, padRight: 7 },
  };

  it("gives as many outputs as windows fit, in each axis by its own numbers", () => {
    const count = (
      size: number,
      [before, behind]: number[],
      kernel: number,
      stride: number,
      dilation: number,
    ): number => {
      let outputs = 0;
      while (outputs * stride + (kernel - 1) * dilation + 1 <= size + before! + behind!) outputs++;
      return outputs;
    };
    for (let height = 5; height < 20; height++) {
      for (let width = 5; width < 20; width++) {
        const g = { ...every, height, width };
        expect(convOutHeight(g)).toBe(count(height, [1, 4], 3, 2, 2));
        expect(convOutWidth(g)).toBe(count(width, [2, 7], 2, 3, 4));
      }
    }
    expect(convMacs(every)).toBe(2 * convOutHeight(every) * convOutWidth(every) * 9 * 2 * 6);
  });

  it("of a square convolution", () => {
    expect(convGeometry({ height: 8, width: 9, inChannels: 4, outChannels: 6, kernel: 3 })).toEqual({
      ...{ batch: 1, height: 8, width: 9, inChannels: 4, outChannels: 6, groups: 1 },
      ...{ kernelHeight: 3, kernelWidth: 3, strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1 },
      ...{ padTop: 0, padLeft: 0, padBottom: 0, padRight: 0 },
    });
    const all = { batch: 5, height: 8, width: 9, inChannels: 4, outChannels: 6, kernel: 3, stride: 2, padding: 1 };
    expect(convGeometry({ ...all, dilation: 2, groups: 2 })).toEqual({
      ...{ batch: 5, height: 8, width: 9, inChannels: 4, outChannels: 6, groups: 2 },
      ...{ kernelHeight: 3, kernelWidth: 3, strideHeight: 2, strideWidth: 2, dilationHeight: 2, dilationWidth: 2 },
      ...{ padTop: 1, padLeft: 1, padBottom: 1, padRight: 1 },
    });
  });

  it("refuses channels that do not divide and inputs smaller than the kernel, not those as large", () => {
    expect(() => checkConvGeometry({ ...every, inChannels: 7 })).toThrow(ShapeError);
    expect(() => checkConvGeometry({ ...every, outChannels: 8 })).toThrow(
      /divide by groups = 3, received 6 input and 8/,
    );
    const bare = { ...every, padTop: 0, padLeft: 0, padBottom: 0, padRight: 0, height: 5, width: 5 };
    expect(() => checkConvGeometry(bare)).not.toThrow();
    expect(() => checkConvGeometry({ ...bare, height: 4 })).toThrow(/at least the kernel's 3×2 .* received 4×5/);
    expect(() => checkConvGeometry({ ...bare, width: 4 })).toThrow(/received 5×4: use larger images/);
    expect(() => convGeometry({ height: 2, width: 3, inChannels: 1, outChannels: 1, kernel: 3 })).toThrow(ShapeError);
  });
});

describe("arrays", () => {
  const sample: Record<DType, number[]> = {
    ...{
      f64: [0.1, -1e300],
      f32: [0.5, -3],
      f16: [0x3c00, 0xc000],
      bf16: [0x3f80, 0xc000],
      i64: [-5, 7],
      i32: [-5, 7],
    },
    ...{ i16: [-5, 7], i8: [-5, 7], u64: [5, 7], u32: [2 ** 32 - 1, 7], u16: [65535, 7], u8: [255, 7], bool: [1, 0] },
  };
  const made = (dtype: DType): NamedArray => {
    const data = new storageConstructor[dtype](2);
    sample[dtype].forEach((value, i) => {
      data[i] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : value;
    });
    return { dtype, shape: [2], data } as NamedArray;
  };

  it.each(Object.keys(sample) as DType[])(
    "of %s are read as numbers, in their own storage where they are these",
    (dtype) => {
      const array = made(dtype);
      const values = { ...sample, f16: [1, -2], bf16: [1, -2] }[dtype];
      expect(toFloat64(array)).toEqual(Float64Array.from(values));
      expect(toFloat32(array)).toEqual(Float32Array.from(values));
      expect(toFloat64(array) === array.data).toBe(dtype === "f64");
      expect(toFloat32(array) === array.data).toBe(dtype === "f32");
      expect(array.data.BYTES_PER_ELEMENT).toBe(bytesPerElement[dtype]);
      expect(asFloat32(array).data).toEqual(Float32Array.from(values));
      expect(asFloat32(array) === array).toBe(dtype === "f32");
    },
  );

  it("count their elements and refuse data that does not fill them", () => {
    expect([elementCount([]), elementCount([2, 3, 4]), elementCount([2, 0])]).toEqual([1, 24, 0]);
    expect(f32([2, 2]).data).toEqual(new Float32Array(4));
    expect(f32([2], Float32Array.of(1, 2))).toEqual({ dtype: "f32", shape: [2], data: Float32Array.of(1, 2) });
    expect(() => f32([3], new Float32Array(2))).toThrow(RangeError);
  });

  it("of half precision keep signs, subnormals, infinities and NaN", () => {
    const halves: [number, number][] = [
      ...([
        [-0, 0x8000],
        [0, 0],
        [Number.POSITIVE_INFINITY, 0x7c00],
        [Number.NEGATIVE_INFINITY, 0xfc00],
      ] as const),
      ...([
        [-65520, 0xfc00],
        [-65519, 0xfbff],
        [1e9, 0x7c00],
        [2 ** -25, 0],
        [2 ** -25 * 1.01, 1],
        [-(2 ** -24), 0x8001],
      ] as const),
      ...([
        [2 ** -14, 0x400],
        [2 ** -14 - 2 ** -25, 0x400],
        [1 + 2 ** -11, 0x3c00],
        [1 + 3 * 2 ** -11, 0x3c02],
      ] as const),
      ...([
        [2 - 2 ** -11, 0x4000],
        [Number.NaN, 0x7e00],
        [2 - 2 ** -12, 0x4000],
      ] as const),
    ].map(([value, bits]) => [value, bits]);
    for (const [value, bits] of halves) expect(numberToHalf(value), String(value)).toBe(bits);
    const brains: [number, number][] = [
      ...([
        [1 + 2 ** -8, 0x3f80],
        [1 + 3 * 2 ** -8, 0x3f82],
        [1 + 2 ** -8 + 2 ** -16, 0x3f81],
        [-0, 0x8000],
      ] as const),
      ...([
        [3.4e38, 0x7f80],
        [Number.NaN, 0x7fc0],
        [Number.NEGATIVE_INFINITY, 0xff80],
      ] as const),
    ].map(([value, bits]) => [value, bits]);
    for (const [value, bits] of brains) expect(numberToBfloat16(value), String(value)).toBe(bits);
  });
});

describe("deferred arrays", () => {
  const counting = (dtype: DType, count: number, inParts?: boolean) => {
    const asked: [number, number][] = [];
    const array = deferredArray(
      dtype,
      [count],
      (target, from) => {
        asked.push([from, target.length]);
        for (let i = 0; i < target.length; i++) (target as Float32Array)[i] = from + i;
      },
      inParts,
    );
    return { array, asked };
  };

  it("make all elements at each access, or any part of them; small ones are kept", () => {
    const large = counting("f32", 16_385);
    expect([large.array.dtype, large.array.shape]).toEqual(["f32", [16_385]]);
    expect(large.asked).toEqual([]);
    expect(large.array.data[16_384]).toBe(16_384);
    expect(large.array.data).toEqual(large.array.data);
    expect(large.asked.length).toBe(3);
    const part = new Float32Array(3);
    large.array.fill!(part as never, 100);
    expect([...part]).toEqual([100, 101, 102]);
    for (const [dtype, count, kept] of [
      ["f32", 16_384, true],
      ["f64", 8192, true],
      ["f64", 8193, false],
    ] as const) {
      const { array, asked } = counting(dtype, count);
      const first = array.data;
      expect(array.data === first).toBe(kept);
      expect(asked.length).toBe(kept ? 1 : 2);
    }
    expect(counting("f32", 4, false).array.fill).toBeUndefined();
    const there = inMemory(large.array);
    expect(Object.keys(there)).toEqual(["dtype", "shape", "data"]);
    const { data } = there;
    expect(there.data).toBe(data);
  });

  it("are converted part by part, and written where they are wanted without another copy", () => {
    const halves = counting("u16", 5);
    const doubled = convertedArray(halves.array, "f64", (array) => toFloat64(array).map((value) => 2 * value));
    expect(halves.asked).toEqual([]);
    expect([doubled.dtype, doubled.shape, [...doubled.data]]).toEqual(["f64", [5], [0, 2, 4, 6, 8]]);
    const part = new Float64Array(2);
    doubled.fill!(part as never, 3);
    expect([...part]).toEqual([6, 8]);
    expect(halves.asked.at(-1)).toEqual([3, 2]);
    const plain = convertedArray({ dtype: "u8", shape: [2], data: Uint8Array.of(1, 2) }, "f32", toFloat32);
    expect(plain).toEqual({ dtype: "f32", shape: [2], data: Float32Array.of(1, 2) });

    const floats = counting("f32", 20_000);
    const target = new Float32Array(20_000);
    writeFloat32(floats.array, target);
    expect(floats.asked).toEqual([[0, 20_000]]);
    expect([target[1], target[19_999]]).toEqual([1, 19_999]);
    writeFloat32(counting("u8", 3).array, target.subarray(0, 3));
    expect([...target.subarray(0, 4)]).toEqual([0, 1, 2, 3]);
    writeFloat32({ dtype: "f64", shape: [1], data: Float64Array.of(7) }, target.subarray(0, 1));
    expect(target[0]).toBe(7);
    writeFloat32(f32([1], Float32Array.of(9)), target.subarray(0, 1));
    expect(target[0]).toBe(9);
  });
});

describe("errors", () => {
  it("are one line of what was expected, what was received, and what to do", () => {
    const cause = new Error("why");
    const error = new UserError({ expected: "a\n  b", received: "c", remedy: "d" }, { cause });
    expect(error.message).toBe("expected a b, received c: d");
    expect([error.expected, error.received, error.remedy, error.cause]).toEqual(["a\n  b", "c", "d", cause]);
    expect(new UserError({ expected: "a", received: "c" }).message).toBe("expected a, received c");
    for (const Kind of [UserError, FormatError, ShapeError, VerificationError]) {
      const one = new Kind({ expected: "a", received: "b" });
      expect(one.name).toBe(Kind.name);
      expect(one).toBeInstanceOf(UserError);
    }
  });

  it("pass to another thread and come back as what they were", () => {
    for (const Kind of [UserError, FormatError, ShapeError, VerificationError]) {
      for (const parts of [
        { expected: "a", received: "b" },
        { expected: "a", received: "b", remedy: "c" },
      ]) {
        const packed = structuredClone(packError(new Kind(parts)));
        expect(packed.parts).toEqual(parts);
        const back = unpackError(packed) as UserError;
        expect(back).toBeInstanceOf(Kind);
        expect([back.name, back.message, back.remedy]).toEqual([Kind.name, new Kind(parts).message, parts.remedy]);
      }
    }
    const plain = new TypeError("not a function");
    const back = unpackError(structuredClone(packError(plain)));
    expect([back.name, back.message, back.stack]).toEqual(["TypeError", "not a function", plain.stack]);
    expect(back).not.toBeInstanceOf(UserError);
    expect(packError("text")).toMatchObject({ name: "Error", message: "text", parts: undefined });
    const abort = unpackError({ name: "AbortError", message: "stopped", stack: undefined, parts: undefined });
    expect(abort).toBeInstanceOf(DOMException);
    expect([abort.name, abort.message]).toEqual(["AbortError", "stopped"]);
    expect(unpackError({ name: "Error", message: "x", stack: undefined, parts: undefined }).stack).toMatch(/x/);
  });

  it("name the nearest known word, where one is near", () => {
    const words = ["momentum", "epochs", "ema", "batchSize"];
    expect(nearest("momentun", words)).toBe("momentum");
    expect(nearest("BATCHSIZE", words)).toBe("batchSize");
    expect(nearest("epohcs", words)).toBe("epochs"); // neighbours swapped: one step
    expect(nearest("eam", words)).toBe("ema");
    expect(nearest("em", words)).toBe("ema");
    expect(nearest("xmx", words)).toBeUndefined();
    expect(nearest("epo", words)).toBeUndefined();
    expect(nearest("epoc", ["epochs"])).toBeUndefined(); // two of four letters
    expect(nearest("epoch", ["epochs", "epoch"])).toBe("epoch");
    expect(nearest("abcdef", ["abcdxy"])).toBe("abcdxy"); // two of six
    expect(nearest("abcdef", ["abcxyz"])).toBeUndefined();
    expect(nearest("cat", ["cut", "cot"])).toBe("cut"); // the first of equals
    expect(nearest("x", [])).toBeUndefined();
  });
});

describe("numbers for people", () => {
  it("have three significant digits", () => {
    const shown: [number, string][] = [
      ...([
        [1.43e-6, "1.43e-6"],
        [0.0123, "0.0123"],
        [4.5678, "4.57"],
        [78.94, "78.9"],
        [1234.4, "1,234"],
        [0, "0"],
      ] as const),
      ...([
        [999.4, "999"],
        [999.6, "1000"],
        [1000, "1,000"],
        [-0.000999, "-9.99e-4"],
        [0.001, "0.001"],
        [-2500, "-2,500"],
      ] as const),
      ...([
        [Number.NaN, "–"],
        [Number.POSITIVE_INFINITY, "–"],
      ] as const),
    ].map(([value, text]) => [value, text]);
    for (const [value, text] of shown) expect(shortNumber(value)).toBe(text);
  });

  it("are durations, sizes, shares and counts", () => {
    expect([0, -1, 0.84, 9.94, 9.96, 42, 59.4].map(duration)).toEqual([
      "0.0 s",
      "0.0 s",
      "0.8 s",
      "9.9 s",
      "10 s",
      "42 s",
      "59 s",
    ]);
    expect([59.6, 185, 3599, 3600, 7800, Number.NaN].map(duration)).toEqual([
      ...["1 min 0 s", "3 min 5 s", "59 min 59 s", "1 h 0 min", "2 h 10 min", "–"],
    ]);
    expect([512, 1023, 1024, 1536, 10_240, 34_812_723, 2 ** 30, 2 ** 42].map(byteSize)).toEqual([
      ...["512 B", "1023 B", "1.00 KiB", "1.50 KiB", "10.0 KiB", "33.2 MiB", "1.00 GiB", "4096.0 GiB"],
    ]);
    expect([percent(0.12345), percent(1), wholeCount(1234567)]).toEqual(["12.35 %", "100.00 %", "1,234,567"]);
    expect([plural(1, "picture"), plural(0, "picture"), plural(1200, "picture")]).toEqual([
      ...["1 picture", "0 pictures", "1,200 pictures"],
    ]);
  });

  it("are quantiles between neighbours", () => {
    expect(quantile([30, 10, 20], 0.5)).toBe(20);
    expect(quantile([10, 20], 0.25)).toBe(12.5);
    expect([quantile([5, 1, 3, 9], 0), quantile([5, 1, 3, 9], 1)]).toEqual([1, 9]);
    expect(quantile([100, 9, 20], 1)).toBe(100); // by value, not as text
    expect(quantile([], 0.5)).toBeNaN();
    expect(quartiles([4, 1, 3, 2, 5])).toEqual({ median: 3, lowerQuartile: 2, upperQuartile: 4 });
    const values = [2, 1];
    quantile(values, 0.5);
    expect(values).toEqual([2, 1]);
  });

  it("of ImageNet are torchvision's", () => {
    expect([imagenetMean, imagenetStd]).toEqual([
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ]);
  });
});

describe("yielding to events", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it.each(["Node", "a browser"])("lets what was waiting happen first, in %s", async (place) => {
    if (place !== "Node") vi.stubGlobal("setImmediate", undefined);
    const events: string[] = [];
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      events.push("message");
      port1.close();
    };
    port2.postMessage(0);
    for (let i = 0; i < 20 && events.length === 0; i++) await yieldToEvents();
    events.push("after");
    expect(events).toEqual(["message", "after"]);
  });
});
