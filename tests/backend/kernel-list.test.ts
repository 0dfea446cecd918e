import { describe, expect, it } from "vitest";
import { kernelArrays } from "../../bench/kernel-arrays.mjs";
import { parseKernels, readKernels } from "../../scripts/kernel-list.mjs";

const line = "scale  x:ptr y:ptr n:i32 alpha:f32";

describe("the list of kernels", () => {
  it("says of every kernel how far its bits are the same, and what its bench runs", () => {
    for (const { name, nets, shape } of readKernels()) {
      expect(nets === undefined, name).toBe(!name.startsWith("conv_"));
      expect(shape === undefined, name).toBe(name.startsWith("conv_"));
    }
  });

  it("has shapes that a kernel runs on, of no more memory than a second-level cache holds a few times", () => {
    for (const kernel of readKernels().filter(({ shape }) => shape)) {
      const words = kernelArrays(kernel).reduce((sum, { values }) => sum + values.length, 0);
      expect(words, kernel.name).toBeGreaterThan(100);
      expect(words, kernel.name).toBeLessThan(2 ** 21);
    }
  });

  it("gives a number to every argument that is no pointer", () => {
    const [kernel] = parseKernels(`# y = alpha · x\n${line}\n  bits all\n  bench n=1000\n`);
    expect(kernel).toEqual({
      ...{ name: "scale", comment: "y = alpha · x", bits: "all", shape: { n: 1000, alpha: 0.3 } },
      args: [
        { name: "x", type: "ptr" },
        { name: "y", type: "ptr" },
        { name: "n", type: "i32" },
        { name: "alpha", type: "f32" },
      ],
    });
  });

  it.each([
    ["  bits all", "says something of no kernel"],
    [`${line}\n  bits all`, 'scale lacks a line "bits" or "bench"'],
    [`${line}\n  bench n=1`, 'scale lacks a line "bits" or "bench"'],
    [`${line}\n  bits some\n  bench n=1`, '"bits some" is none of'],
    [`${line}\n  bits all\n  bits all\n  bench n=1`, '"bits all" is none of'],
    [`${line}\n  bits all\n  bench m=1`, '"m=1" is no number of scale'],
    [`${line}\n  bits all\n  bench x=1`, '"x=1" is no number of scale'],
    [`${line}\n  bits all\n  bench n=many`, '"n=many" is no number of scale'],
    [`${line}\n  bits all\n  bench n=`, '"n=" is no number of scale'],
    [`${line}\n  speed 3`, '"speed 3" is none of'],
    [`${line}\n${line}`, "scale is listed twice"],
    ["scale  x:ptr y:double", '"y:double" is not argument:type'],
    ["scale  x:ptr x:ptr", "two arguments of one name"],
  ])("does not take %j", (text, message) => {
    expect(() => parseKernels(text)).toThrow(message);
  });
});
