import { spawn } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { codeBlocks } from "../docs/markdown.js";
import { type Installed, root } from "../pack.js";

/** The lines of the commands that a page shows, without comments. */
export function shellLines(markdown: string): string[] {
  return codeBlocks(markdown)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => text.split("\n"))
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "");
}

export const exampleReadme = (name: string): string => readFileSync(join(root, "examples", name, "README.md"), "utf8");

/** A copy of an example whose folder goes after the test. */
export function copyExample(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `repvgg-example-${name}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(root, "examples", name), folder, { recursive: true, filter: (path) => !/node_modules$/.test(path) });
  return folder;
}

interface Manifest {
  dependencies: Record<string, string>;
  scripts?: Readonly<Record<string, string>>;
}

export const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** Instead of the version that a registry would have to hold, this checkout's tarball. */
export function dependOnTarball(folder: string, tarball: string): void {
  const manifest = readManifest(folder);
  manifest.dependencies["repvgg"] = `file:${tarball}`;
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
}

/** What `npm install` does, without a registry: links to the unpacked tarball and to what this checkout has of the other dependencies. */
export function linkDependencies(folder: string, installed: Installed): void {
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, ".bin"), { recursive: true });
  for (const name of Object.keys(readManifest(folder).dependencies)) {
    const from = name === "repvgg" ? installed.folder : root;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(from, "node_modules", name), join(modules, name));
  }
  symlinkSync(join(root, "node_modules/.bin/vite"), join(modules, ".bin/vite"));
  const main = "repvgg/dist/cli/main.js";
  chmodSync(join(installed.folder, "node_modules", main), 0o755); // as npm does
  symlinkSync(`../${main}`, join(modules, ".bin/repvgg"));
}

/** Programs that are found before those of the machine, and what a server reads. */
export interface Surroundings {
  readonly programs?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
}

function environment({ programs = [], variables }: Surroundings): NodeJS.ProcessEnv {
  const { REPVGG_CHECK_KERNELS: _, FORCE_COLOR: __, NODE_ENV: ___, ...inherited } = process.env;
  const path = [...programs, dirname(process.execPath), inherited["PATH"] ?? ""].join(delimiter);
  return { ...inherited, PATH: path, NO_COLOR: "1", NEXT_TELEMETRY_DISABLED: "1", ...variables };
}

/** Runs a line of a shell to its end. @returns all that it wrote. @throws Error with that where it fails. */
export function runLine(line: string, folder: string, surroundings: Surroundings = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(line, {
      cwd: folder,
      shell: true,
      env: environment(surroundings),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (text += data));
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${line} (exit code ${code})\n${text}`)),
    );
  });
}

export interface RunningServer {
  /** "http://127.0.0.1:41729" */
  readonly url: string;
  /** What it wrote so far. */
  output(): string;
}

/** Starts a server by a line of a shell and waits until it names its port; it ends with the test. */
export function startServer(line: string, folder: string, surroundings: Surroundings = {}): Promise<RunningServer> {
  const env = environment({ ...surroundings, variables: { PORT: "0", ...surroundings.variables } });
  // In a process group of its own, so that what npm and the shell start ends too.
  const child = spawn(line, { cwd: folder, shell: true, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  onTestFinished(async () => {
    if (child.exitCode === null) process.kill(-child.pid!, "SIGTERM");
    await ended;
  });
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data) => {
        text += data;
        const port = /listening on port (\d+)|http:\/\/(?:localhost|127\.0\.0\.1):(\d+)/.exec(text);
        if (port) resolve({ url: `http://127.0.0.1:${port[1] ?? port[2]}`, output: () => text });
      });
    ended.then(() => reject(new Error(`${line} ended\n${text}`)));
  });
}
