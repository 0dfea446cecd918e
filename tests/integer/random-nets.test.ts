import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { createBackend } from "#repvgg/backend/select.node.js";
import { randomPicture, runIntegers, stepsApart } from "./compare.js";
import { randomQuantizedNet } from "./random-net.js";

const cases = Number(process.env["FUZZ_CASES"] ?? 120);
const first = Number(process.env["FUZZ_FIRST"] ?? 0);
/** Where the number of the case that runs stands, for who watches from outside (scripts/fuzz-engine.mjs). */
const progress = process.env["FUZZ_PROGRESS"];

const [native, wasm] = [await createBackend({ threads: 2 }), await createBackend({ threads: 1, kernels: "wasm" })];
afterAll(() => {
  native.dispose();
  wasm.dispose();
});

/** Real outputs may differ by what float32 rounds. */
const rounding = 1e-4;

describe("quantized nets of any small shape", () => {
  it(`run within a step of the definition, with the same bits everywhere (cases ${first} to ${first + cases - 1}; FUZZ_FIRST, FUZZ_CASES)`, {
    timeout: 60_000 + cases * 1000,
  }, () => {
    const faults: string[] = [];
    const byOperator: Record<string, number> = {};
    const total = { count: 0, apart: 0, integerSteps: 0, floatLayers: 0 };
    for (let seed = first; seed < first + cases; seed++) {
      if (progress) writeFileSync(progress, String(seed));
      try {
        const { graph, shape } = randomQuantizedNet(seed);
        const picture = randomPicture(seed, shape);
        const { outputs, plan } = runIntegers(native, graph, picture);
        const same = runIntegers(wasm, graph, picture).outputs;
        for (const [name, { data }] of Object.entries(outputs)) {
          const other = same[name]!.data;
          if (!data.every((value, i) => Object.is(value, other[i])))
            faults.push(`seed ${seed}: "${name}" differs between ${native.name} and ${wasm.name}`);
        }
        const steps = stepsApart(graph, picture, outputs);
        if (steps.most > 1) faults.push(`seed ${seed}: "${steps.where}" is ${steps.most} steps off`);
        if (!(steps.real < rounding)) faults.push(`seed ${seed}: a real output is ${steps.real} off`);
        total.count += steps.count;
        total.apart += steps.apart;
        for (const [op, n] of Object.entries(steps.byOperator)) byOperator[op] = (byOperator[op] ?? 0) + n;
        total.integerSteps += plan.steps.filter(({ type }) => type === "u8").length;
        total.floatLayers += plan.inFloat?.length ?? 0;
      } catch (error) {
        faults.push(`seed ${seed}: ${(error as Error).stack?.split("\n").slice(0, 4).join(" | ")}`);
      }
    }
    if (process.env["FUZZ_REPORT"]) console.log(total, byOperator);
    if (progress)
      writeFileSync(`${progress}.json`, JSON.stringify({ cases, defined: cases, folded: 0, ran: cases, faults }));
    expect(faults).toEqual([]);
    // Nearly all are the definition's own numbers; what ends on a tie may be the one or the other.
    expect(total.apart / total.count).toBeLessThan(0.002);
    expect(total.integerSteps).toBeGreaterThan(4 * cases);
    expect(total.floatLayers).toBe(0);
  });
});
