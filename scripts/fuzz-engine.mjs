// The property test of the engine (tests/engine/fuzz.test.ts) over many cases, in processes of its own that are watched from outside:
//   node scripts/fuzz-engine.mjs [--cases 100000] [--first 0] [--batch 2000] [--seconds 60] [--test tests/integer/random-nets.test.ts]
// `--test`: another property test of the same kind: that of quantized nets.
// A process that dies, or is at one case for longer than `seconds`, costs that case only, which is reported by its number; the next one
// goes on behind it. REPVGG_SANITIZE=address runs native kernels that are compiled with AddressSanitizer and UndefinedBehaviorSanitizer.
// One case again: FUZZ_FIRST=<number> FUZZ_CASES=1 npx vitest run tests/engine/fuzz.test.ts
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "./kernel-sources.mjs";
import { sanitizedEnvironment } from "./sanitized-addon.mjs";

const { values: options } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" },
    first: { type: "string", default: "0" },
    batch: { type: "string", default: "2000" },
    seconds: { type: "string", default: "60" },
    test: { type: "string", default: "tests/engine/fuzz.test.ts" },
  },
});
const [cases, first, batch, seconds] = [options.cases, options.first, options.batch, options.seconds].map(Number);
const environment = process.env.REPVGG_SANITIZE ? sanitizedEnvironment() : {};
const folder = mkdtempSync(join(tmpdir(), "repvgg-fuzz-"));
const progress = join(folder, "case");
const results = `${progress}.json`;

const total = { cases: 0, defined: 0, folded: 0, ran: 0 };
const faults = [];
for (let next = first; next < first + cases; ) {
  next += await runBatch(next, Math.min(batch, first + cases - next));
  console.log(
    `${next - first} cases: ${total.defined} defined, ${total.folded} folded, ${total.ran} runs, ${faults.length} faults`,
  );
}
rmSync(folder, { recursive: true });
for (const fault of faults) console.log(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

/** How many cases it has dealt with: all, or those up to the one that killed it. */
async function runBatch(start, count) {
  writeFileSync(progress, String(start));
  rmSync(results, { force: true });
  const child = spawn(process.execPath, [join("node_modules", "vitest", "vitest.mjs"), "run", options.test], {
    cwd: root,
    env: {
      ...process.env,
      ...environment,
      FUZZ_FIRST: String(start),
      FUZZ_CASES: String(count),
      FUZZ_PROGRESS: progress,
    },
    detached: true, // a group of its own: its workers end with it
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (output += bytes));
  const at = () => Number(readFileSync(progress, "utf8") || start);
  let [seen, since, hung] = [-1, Date.now(), false];
  const watch = setInterval(() => {
    if (at() !== seen) [seen, since] = [at(), Date.now()];
    else if (Date.now() - since > 1000 * seconds) {
      hung = true;
      process.kill(-child.pid, "SIGKILL");
    }
  }, 500);
  await new Promise((resolve) => child.on("close", resolve));
  clearInterval(watch);

  if (existsSync(results)) {
    const result = JSON.parse(readFileSync(results, "utf8"));
    for (const key of Object.keys(total)) total[key] += result[key];
    faults.push(...result.faults);
    return count;
  }
  const killer = at();
  const tail = output.trimEnd().split("\n").slice(-30).join("\n");
  faults.push(`seed ${killer}: ${hung ? `no end within ${seconds} s` : `the process died\n${tail}`}`);
  return killer - start + 1;
}
