// Runs the tests of the backends on native kernels that are compiled with AddressSanitizer and UndefinedBehaviorSanitizer:
//   node scripts/sanitize.mjs [test files, by default tests/backend]
// They watch the C stack, the addon's own heap and undefined arithmetic. Kernel memory is one mapping to them: what is
// written beside an array there is found by the guards that the tests put around every array, and by src/backend/check-calls.ts.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./kernel-sources.mjs";
import { sanitizedEnvironment } from "./sanitized-addon.mjs";

const env = { ...process.env, ...sanitizedEnvironment() };
const tests = process.argv.length > 2 ? process.argv.slice(2) : ["tests/backend"];
const command = [join("node_modules", "vitest", "vitest.mjs"), "run", "--testTimeout=120000", ...tests];
process.exitCode = spawnSync(process.execPath, command, { cwd: root, stdio: "inherit", env }).status ?? 1;
