// Runs the tests of the backends on native kernels that are compiled with AddressSanitizer and UndefinedBehaviorSanitizer:
//   node scripts/sanitize.mjs [test files, by default tests/backend]
// They watch the C stack, the addon's own heap and undefined arithmetic. Kernel memory is one mapping to them: what is
// written beside an array there is found by the guards that the tests put around every array.
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./kernel-sources.mjs";

const flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g"];
const addon = join(root, "node_modules", ".cache", "repvgg-sanitized", "repvgg.node");
const compiler = process.env.CC || "cc";

const run = (command, args, env) => {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
};

run(process.execPath, ["scripts/build-native.mjs", "--out", addon], {
  CFLAGS: flags.join(" "),
  LDFLAGS: flags.join(" "),
  REPVGG_NATIVE: "required",
});
const runtime = execFileSync(compiler, ["-print-file-name=libasan.so"], { encoding: "utf8" }).trim();
const tests = process.argv.length > 2 ? process.argv.slice(2) : ["tests/backend"];
run(process.execPath, [join("node_modules", "vitest", "vitest.mjs"), "run", "--testTimeout=120000", ...tests], {
  LD_PRELOAD: runtime,
  // Node frees nothing at its end, so leaks would be all its own.
  ASAN_OPTIONS: "detect_leaks=0:halt_on_error=1",
  UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
  REPVGG_ADDON: addon,
});
