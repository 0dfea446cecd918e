// Native kernels compiled with AddressSanitizer and UndefinedBehaviorSanitizer, beside the usual ones.
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./kernel-sources.mjs";

const flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g"];
const addon = join(root, "node_modules", ".cache", "repvgg-sanitized", "repvgg.node");

/** Builds them where they are not built, and gives the environment in which a process of Node uses them. Ends this process where they cannot be built. */
export function sanitizedEnvironment() {
  const { status } = spawnSync(process.execPath, ["scripts/build-native.mjs", "--out", addon], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, CFLAGS: flags.join(" "), LDFLAGS: flags.join(" "), REPVGG_NATIVE: "required" },
  });
  if (status !== 0) process.exit(status ?? 1);
  const compiler = process.env.CC || "cc";
  return {
    LD_PRELOAD: execFileSync(compiler, ["-print-file-name=libasan.so"], { encoding: "utf8" }).trim(),
    // Node frees nothing at its end, so leaks would be all its own.
    ASAN_OPTIONS: "detect_leaks=0:halt_on_error=1",
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
    REPVGG_ADDON: addon,
  };
}
