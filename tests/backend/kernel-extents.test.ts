import { describe, expect, it } from "vitest";
import type { KernelCall } from "#repvgg/backend/backend.js";
import { checkCalls, checksKernels, type Region } from "#repvgg/backend/check-calls.js";
import { kernelExtents } from "#repvgg/backend/kernel-extents.js";
import { kernelEncodings } from "#repvgg/backend/kernels.generated.js";

const tile = { panelColumns: 32, microRows: 8 };
const region = (name: string, from: number, words: number, writable = true): Region => ({
  name,
  from,
  words,
  writable,
});
const memory = [region("x", 64, 12, false), region("y", 128, 12), region("other", 76, 40)];
const check =
  (call: KernelCall, regions: readonly Region[] = memory) =>
  () =>
    checkCalls([call], regions, tile, `step "s"`);

/** x [2][6] turned over: its steps are 1 and −1. */
const turned = (x: number, y: number, changed: Partial<Record<string, number>> = {}): KernelCall => {
  const args = {
    ...{ x, y, size0: 1, size1: 1, size2: 1, size3: 1, size4: 2, size5: 6 },
    ...{ x_step0: 0, x_step1: 0, x_step2: 0, x_step3: 0, x_step4: 6, x_step5: -1 },
    ...{ y_step0: 0, y_step1: 0, y_step2: 0, y_step3: 0, y_step4: 6, y_step5: 1 },
  };
  return { kernel: "strided_copy", args: { ...args, ...(changed as object) } };
};

const geometry = {
  ...{ batch: 1, in_height: 2, in_width: 2, in_channels: 3, out_height: 2, out_width: 2, out_channels: 3 },
  ...{ grid_height: 2, grid_width: 2, taps_y: 1, taps_x: 1, stride_y: 1, stride_x: 1, offset_y: 0, offset_x: 0 },
  ...{ step_y: 1, step_x: 1, out_stride_y: 1, out_stride_x: 1, out_offset_y: 0, out_offset_x: 0 },
};

describe("what kernels touch", () => {
  it("is checked in the tests", () => expect(checksKernels).toBe(true));

  it.each(Object.keys(kernelEncodings) as (keyof typeof kernelEncodings)[])(
    "is described for every address of %s",
    (kernel) => {
      const { args } = kernelEncodings[kernel];
      // All sizes 1: every kernel touches something of every address that it is given.
      const values = Object.fromEntries(args.map(([name, type], i) => [name, type === "ptr" ? 100_000 * (i + 1) : 1]));
      const regions = args.flatMap(([name, type], i) =>
        type === "ptr" ? [region(name, 100_000 * (i + 1), 99_999)] : [],
      );
      const call = { kernel, args: values } as unknown as KernelCall;
      expect(check(call, regions)).not.toThrow();
      for (const { name } of regions) {
        const without = regions.map((r) => (r.name === name ? { ...r, words: 0 } : r));
        expect(check(call, without), name).toThrow(new RegExp(`${kernel} in step "s": ${name} (reads|writes)`));
      }
      const described = kernelExtents[kernel](values as never, tile);
      const names = [...Object.keys(described.reads ?? {}), ...Object.keys(described.writes)].map((n) =>
        n.replace("?", ""),
      );
      expect([...new Set(names)].sort()).toEqual(regions.map(({ name }) => name).sort());
    },
  );

  it("fits where it fits, to the word", () => {
    expect(check({ kernel: "copy", args: { x: 64, y: 128, n: 12 } })).not.toThrow();
    expect(check(turned(64 + 5, 128))).not.toThrow();
  });

  it("is named where one word is too many", () => {
    expect(check({ kernel: "copy", args: { x: 64, y: 128, n: 13 } })).toThrow(
      'copy in step "s": x reads words 0 to 12 of "x" of 12 words',
    );
    expect(check(turned(64 + 4, 128))).toThrow("x reads words -1 to 10");
    expect(check(turned(64 + 6, 128))).toThrow("x reads words 1 to 12");
    expect(check(turned(64 + 5, 128, { y_step4: 7 }))).toThrow("y writes words 0 to 12");
  });

  it("may not be written where it is only to be read, nor lie nowhere, nor be less than nothing", () => {
    expect(check({ kernel: "fill", args: { y: 64, n: 4, value: 0 } })).toThrow("only to be read");
    expect(check({ kernel: "fill", args: { y: 0, n: 4, value: 0 } })).toThrow("no memory of it");
    expect(check({ kernel: "fill", args: { y: 128, n: -4, value: 0 } })).toThrow("would touch -4 words");
  });

  it("may be absent where the kernel says so, and only there", () => {
    const flags = {
      batch_inner: 0,
      groups: 1,
      gather: 0,
      halves: 0,
      block_rows: 8,
      block_panels: 1,
      relu: 0,
      accumulate: 0,
    };
    const convolution = (changed: object = {}): KernelCall => ({
      kernel: "conv_igemm_forward",
      args: { x: 64, packed: 256, bias: 0, y: 128, ...geometry, ...flags, ...changed },
    });
    const regions = [...memory, region("packed", 256, 3 * 32, false)];
    expect(check(convolution(), regions)).not.toThrow();
    expect(check(convolution({ packed: 0 }), regions)).toThrow("packed reads 96 words at 0");
    // Windows do not look whether the positions that they write are inside.
    expect(check(convolution({ out_stride_y: 2 }), regions)).toThrow("y writes words 0 to 17");
    expect(check(convolution({ out_offset_x: 1 }), regions)).toThrow("y writes words 3 to 14");
    expect(check(convolution({ in_height: 3 }), regions)).toThrow("x reads words 0 to 17");
    expect(check(convolution({ out_channels: 33, grid_height: 0 }), regions)).toThrow("packed reads");
  });

  it("is unknown of a kernel without a description", () => {
    const call = { kernel: "no_such_kernel", args: {} } as unknown as KernelCall;
    expect(check(call)).toThrow("nothing in kernel-extents.ts says what it touches");
  });
});
