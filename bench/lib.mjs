// What the benchmarks share: running peers as processes, medians with spread, and the description of the machine.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeMachine } from "#repvgg/studies/bench/machine.node.js";
import { summary } from "#repvgg/studies/bench/results.js";

export const benchFolder = dirname(fileURLToPath(import.meta.url));

/** Debian's, which has PyTorch, where there is one. */
export const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

/** Runs a peer and returns the JSON of its last line of output; undefined, with the reason on stderr, where it cannot run. */
export function runPeer(command, args, { env = {}, timeoutSeconds = 600 } = {}) {
  const result = spawnSync(command, args, {
    cwd: dirname(benchFolder),
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 1 << 26,
    timeout: timeoutSeconds * 1000,
  });
  try {
    return JSON.parse(result.stdout.trim().split("\n").at(-1));
  } catch {
    const why = result.error?.message ?? result.stderr?.trim().split("\n").at(-1) ?? `exit code ${result.status}`;
    console.error(`${command} ${args.join(" ")}: ${why}`);
    return undefined;
  }
}

export { describeMachine as machine, summary };

/** How this benchmark was called, for its results. */
export const command = ["node", `bench/${basename(process.argv[1])}`, ...process.argv.slice(2)].join(" ");

export function writeResults(name, results) {
  const folder = join(benchFolder, "results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`\n${file}`);
}
