// Kills training runs with SIGKILL at random moments, resumes them until they are done, and checks that they end with the
// same bits as a run that was never stopped, on 1 and on 2 threads.
//   node scripts/kill-and-resume.mjs [--kills 20] [--seed 0] [--pictures 300] [--epochs 3]
// One line a kill, a summary; exit code 1 on any difference.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rngFor } from "../dist/core/rng.js";
import { readSafetensorsFile } from "../dist/formats/safetensors/file.node.js";
import { writePictures } from "./fashion-pictures.mjs";

const repvgg = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: "0" },
    pictures: { type: "string", default: "300" },
    epochs: { type: "string", default: "3" },
  },
});
const [kills, seed, pictures, epochs] = [values.kills, values.seed, values.pictures, values.epochs].map(Number);
const rng = rngFor(seed, "kill-and-resume");
const folder = mkdtempSync(join(tmpdir(), "repvgg-kill-"));
const data = join(folder, "pictures");

/** Starts the run in `out`, or goes on with it; every step writes a checkpoint. */
function startRun(out, threads) {
  const choosing = ["--validation", "0.2", "--patience", "2"];
  const begin = [data, "--out", out, "--epochs", `${epochs}`, "--batch-size", "32", "--ema", "0.9", ...choosing];
  const args = existsSync(join(out, "config.json")) ? ["--resume", out] : begin;
  const process = ["--threads", `${threads}`, "--checkpoint-seconds", "0", "--quiet"];
  return spawn("node", [repvgg, "train", ...args, ...process], { stdio: ["ignore", "ignore", "inherit"] });
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
}

/**
 * Runs to the end, or kills after `milliseconds`.
 * @returns milliseconds to the end; undefined where it was killed
 */
async function runOrKill(out, threads, milliseconds) {
  const started = performance.now();
  const child = startRun(out, threads);
  const timer = milliseconds === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), milliseconds);
  const { code, signal } = await ended(child);
  clearTimeout(timer);
  if (signal === "SIGKILL") return undefined;
  if (code !== 0) throw new Error(`repvgg train ended with code ${code}`);
  return performance.now() - started;
}

/** What a run leaves, but for the times at which it was written. */
function results(out) {
  const records = readFileSync(join(out, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return {
    "model.safetensors": readFileSync(join(out, "model.safetensors")).toString("base64"),
    "last.safetensors": readFileSync(join(out, "last.safetensors")).toString("base64"),
    "metrics.jsonl": records.map((line) => JSON.stringify({ ...JSON.parse(line), wallTime: undefined })).join("\n"),
  };
}

function differences(expected, received) {
  return Object.keys(expected).filter((name) => expected[name] !== received[name]);
}

/** Where the kill found the run. */
async function describeState(out) {
  if (!existsSync(join(out, "config.json"))) return "before the run began";
  const half = readdirSync(out).find((name) => name.endsWith(".tmp"));
  const writing = half ? `, while writing ${half.replace(/^\.(.*?)\.\d+\.\d+\.tmp$/, "$1")}` : "";
  if (!existsSync(join(out, "last.safetensors"))) return `before the first checkpoint${writing}`;
  const { metadata } = await readSafetensorsFile(join(out, "last.safetensors"));
  const { step, epoch, stepInEpoch } = JSON.parse(metadata.position);
  if (epoch === epochs) return `after the last step${writing}`;
  return `last checkpoint at step ${step} (epoch ${epoch + 1}, step ${stepInEpoch} of it)${writing}`;
}

let failures = 0;
function check(what, expected, received) {
  const different = differences(expected, received);
  if (different.length > 0) failures++;
  console.log(different.length > 0 ? `${what}: DIFFERENT ${different.join(", ")}` : `${what}: same bits`);
}

try {
  await writePictures(data, { train: pictures, test: Math.ceil(pictures / 3) });
  const reference = join(folder, "reference");
  let length = await runOrKill(reference, 1);
  const expected = results(reference);
  console.log(`uninterrupted on 1 thread: ${(length / 1000).toFixed(1)} s`);
  const twoThreads = join(folder, "two-threads");
  await runOrKill(twoThreads, 2);
  check("uninterrupted on 2 threads", expected, results(twoThreads));

  let done = 0;
  let runs = 0;
  while (done < kills) {
    const out = join(folder, `run-${++runs}`);
    for (let first = true, time; time === undefined; first = false) {
      const threads = 1 + rng.int(2);
      const moment = done < kills ? rng.uniform(0, length) : undefined;
      time = await runOrKill(out, threads, moment);
      if (time === undefined) {
        const state = await describeState(out);
        console.log(
          `kill ${++done}: run ${runs}, ${threads} thread(s), after ${(moment / 1000).toFixed(2)} s: ${state}`,
        );
      } else if (first) length = time; // the machine may have become faster or slower
    }
    check(`run ${runs}`, expected, results(out));
    rmSync(out, { recursive: true });
  }
  console.log(
    `${done} kills in ${runs} runs: ${failures === 0 ? "every run ended with the same bits" : `${failures} runs differ`}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
