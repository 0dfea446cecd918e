import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { hasOperator } from "#repvgg/lowering/registry.js";
import { operators } from "#repvgg/operators/registry.js";
import { checkCase } from "./fuzz/check.js";
import { pool } from "./fuzz/pool.js";

const cases = Number(process.env["FUZZ_CASES"] ?? 3_000);
const first = Number(process.env["FUZZ_FIRST"] ?? 0);
/** Where the number of the case that runs stands, for who watches from outside (scripts/fuzz-engine.mjs). */
const progress = process.env["FUZZ_PROGRESS"];

const backends = [await createBackend({ threads: 1 }), await createBackend({ threads: 1, kernels: "wasm" })];
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

describe("any net, mutated in anything", () => {
  it("starts from all operators that the engine has", () => {
    const present = new Set(pool.flatMap(({ nodes }) => nodes.map(({ op }) => op)));
    const known = [...operators.keys()].filter((op) =>
      hasOperator({ domain: "", op, name: op, inputs: [], outputs: [], attributes: {} }),
    );
    expect(known.filter((op) => !present.has(op))).toEqual([]);
  });

  it(`runs as defined or is refused by name (cases ${first} to ${first + cases - 1}; FUZZ_FIRST, FUZZ_CASES)`, {
    timeout: 60_000 + cases * 1000,
  }, () => {
    const faults: string[] = [];
    let [defined, folded, ran] = [0, 0, 0];
    for (let seed = first; seed < first + cases; seed++) {
      if (progress) writeFileSync(progress, String(seed));
      try {
        const outcome = checkCase(seed, backends);
        if (outcome.defined) defined++;
        if (outcome.folded) folded++;
        ran += outcome.ran;
      } catch (error) {
        const { name, message, stack } = error as Error;
        faults.push(`seed ${seed}: ${name === "Error" ? "" : stack?.split("\n").slice(1, 3).join(" | ")} ${message}`);
      }
    }
    if (progress) writeFileSync(`${progress}.json`, JSON.stringify({ cases, defined, folded, ran, faults }));
    expect(faults).toEqual([]);
    // The mutations leave enough that makes sense.
    expect(Math.min(defined, folded, ran / backends.length)).toBeGreaterThan(cases / 10);
  });
});
