import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cMutants, type Mutant, typescriptMutants } from "../../scripts/mutants.mjs";

const applied = (text: string, { start, end, replacement }: Mutant): string =>
  text.slice(0, start) + replacement + text.slice(end);
const faults = (text: string): string[] => typescriptMutants(text, "x.ts").map((mutant) => applied(text, mutant));
const faultsInC = (text: string): string[] => cMutants(text).map((mutant) => applied(text, mutant));

describe("faults put into TypeScript", () => {
  it.each<[string, string[]]>([
    ["f = a < b;", ["f = a <= b;", "f = a >= b;"]],
    ["f = a && b;", ["f = a || b;", "f = a;", "f = b;"]],
    ["f = a ?? 3;", ["f = a;", "f = (3);", "f = a ?? 4;", "f = a ?? 2;"]],
    ["f = !a;", ["f = (a);"]],
    ["if (a) b();", ["if (true) b();", "if (false) b();", "if (a) ;"]],
    ["f = Math.min(a, b);", ["f = Math.max(a, b);"]],
    ["f = g(a, b);", ["f = g(b, a);"]],
    ["f = { a, b: 1 };", ["f = {  b: 1 };", "f = { a,  };", "f = { a, b: 2 };", "f = { a, b: 0 };"]],
    ["f = a[i];", ["f = a[(i) + 1];"]],
    ['f = a === "x";', ['f = a !== "x";', 'f = a === "";']],
    ["f = a.height;", ["f = a.width;"]],
    ["f = 0.5;", ["f = 0.75;", "f = 0.25;"]],
    ["f = 7n;", ["f = 8n;"]],
    ["while (a) b();", ["while (false) b();", "while (a) ;"]],
    ["f = a.filter(g);", ["f = a;"]],
  ])("%s", (text, wanted) => {
    const made = faults(text);
    for (const one of wanted) expect(made).toContain(one);
  });

  it("leave alone what is no behaviour: types, imports, the words of errors", () => {
    for (const text of [
      'import { a } from "b";',
      'type A = "x" | 3;',
      "interface A { readonly a: 3 }",
      'export * from "./a.js";',
    ]) {
      expect(faults(text)).toEqual([]);
    }
    const thrown = 'throw new UserError({ expected: "a", received: String(n + 1) });';
    expect(faults(thrown)).toEqual([]);
    expect(faults('const parts = { expected: "a", n: 1 };').some((text) => text.includes('expected: ""'))).toBe(false);
  });

  it("are many in real code, each another text, in the order of their places", () => {
    const text = readFileSync(new URL("../../src/train/loop.ts", import.meta.url), "utf8");
    const made = typescriptMutants(text, "loop.ts");
    expect(made.length).toBeGreaterThan(100);
    expect(made).toEqual(typescriptMutants(text, "loop.ts"));
    for (const mutant of made) expect(applied(text, mutant)).not.toBe(text);
    expect(made.map(({ start }) => start)).toEqual(made.map(({ start }) => start).sort((a, b) => a - b));
  });
});

describe("faults put into C", () => {
  it.each<[string, string[]]>([
    ["a = b + c;", ["a = b - c;"]],
    ["for (int i = 0; i < n; i++)", ["for (int i = 0; i <= n; i++)", "for (int i = 1; i < n; i++)"]],
    ["x = a ? b : c;", ["x = a ? c : b;"]],
    ["  sum += a * b;", ["  ;", "  sum -= a * b;", "  sum += a / b;"]],
    ["  store_lanes(v + i, velocity, count);", ["  ;", "  store_lanes(v - i, velocity, count);"]],
  ])("%s", (text, wanted) => {
    const made = faultsInC(text);
    for (const one of wanted) expect(made).toContain(one);
  });

  it("leave comments, preprocessor lines and pointers alone", () => {
    expect(faultsInC("// a + 1\n/* b * 2 */\n#define X 3\n#include <a>\nfloat *p;")).toEqual([]);
  });
});
