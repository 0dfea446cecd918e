import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, onTestFinished, vi } from "vitest";
import { repvgg as freshNet, saveModel } from "#repvgg/index.js";
import { writePictures } from "../../scripts/fashion-pictures.mjs";

export const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

// These tests start many processes; a machine that is busy with other things takes long for them.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** How a command ended, and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Called with what has been written to standard error so far, whenever there is more. */
  readonly onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** As it is now (tests set variables), but no colours asked for and CI's variable set: a pipe has to be plain there too. */
function environment(): NodeJS.ProcessEnv {
  const { FORCE_COLOR: _, ...inherited } = process.env;
  return { ...inherited, CI: "true" };
}

/** Runs the built command in a process of its own, as a user does. */
export function repvgg(args: readonly string[], { cwd, onStderr }: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
    const child = spawn(process.execPath, [main, ...args], { stdio, env: environment(), ...(cwd && { cwd }) });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => {
      stdout += data.toString();
    });
    child.stderr.on("data", (data: Buffer) => {
      stderr += data.toString();
      onStderr?.(stderr, (signal) => child.kill(signal));
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** What the command prints under --json: exactly one object, and nothing on standard error. */
export async function repvggJson<T = Record<string, unknown>>(
  args: readonly string[],
  code = 0,
  cwd?: string,
): Promise<T> {
  const ended = await repvgg([...args, "--json"], cwd === undefined ? {} : { cwd });
  if (ended.code !== code || (code === 0 && ended.stderr !== "")) {
    throw new Error(`repvgg ${args.join(" ")} ended with code ${ended.code}: ${ended.stderr}`);
  }
  const value = JSON.parse(ended.stdout);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not one JSON object");
  return value;
}

/** How a wrong input has to end: its one line on standard error, nothing on standard output, exit code 1. */
export function oneLine(message: string): Ended {
  return { code: 1, stdout: "", stderr: `repvgg: ${message}\n` };
}

/** A folder that is removed after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder that is removed after the test file. */
export function fileFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-cli-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with train/ and test/ of real pictures: 28×28, grey, ten classes. */
export async function fashionPictures(folder: string, counts = { train: 300, test: 100 }): Promise<string> {
  await writePictures(join(folder, "pictures"), counts);
  return join(folder, "pictures");
}

/** The model file of a fresh nano with two classes. */
export async function freshModelFile(folder: string, form: "train" | "plain" = "train"): Promise<string> {
  const file = join(folder, `${form}.safetensors`);
  await saveModel(freshNet("nano", { classNames: ["cat", "dog"], form }), file);
  return file;
}

/** A file with these bytes. */
export function fileOf(folder: string, name: string, bytes: string | Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}
