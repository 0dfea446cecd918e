import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { manifest, npmPack, root } from "../pack.js";
import { drawPhotographs } from "../photographs.js";
import { runtimePackages, typescriptVersions } from "./runtimes.js";

const run = promisify(execFile);

interface Computed {
  readonly kernels: string;
  readonly best: readonly [name: string, logit: number];
  readonly sameTogether: boolean;
  readonly refused: string | false;
}

interface Results {
  readonly native: Computed | null;
  readonly wasm: Computed;
  readonly agree: boolean;
}

// One project for all: the tarball, every runtime and every TypeScript as packages, and what the scenario trains on.
const folder = mkdtempSync(join(tmpdir(), "repvgg-runtimes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { nodes, bun, deno } = runtimePackages();
const runtimes = [...nodes, bun, deno].map(({ name, program }) => {
  const path = join(folder, "node_modules", name, program);
  const before = name === deno.name ? ["run", "-A"] : [];
  return {
    name,
    run: (args: readonly string[]) => run(path, [...before, ...args], { cwd: folder, env: environment() }),
  };
});

/** Without what this suite sets for itself. */
function environment(): NodeJS.ProcessEnv {
  const { REPVGG_CHECK_KERNELS: _, NODE_OPTIONS: __, ...env } = process.env;
  return { ...env, NO_COLOR: "1" };
}

beforeAll(async () => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const { filename } = npmPack(folder);
  const compilers = typescriptVersions.map((version) => `typescript-${version}@npm:typescript@${version}`);
  const packages = [...nodes, bun, deno].map(({ specifier }) => specifier);
  // Nothing may be needed but files: no install script runs.
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", `./${filename}`, "@types/node@20"];
  await run("npm", [...args, ...packages, ...compilers], { cwd: folder });
  cpSync(join(root, "tests/matrix/scenario.mjs"), join(folder, "scenario.mjs"));
  await drawPhotographs(join(folder, "pictures"), 12);
});

describe("every runtime", () => {
  const results = new Map<string, Results>();

  it.each(runtimes)("$name does the scenario", async ({ name, run }) => {
    const { stdout } = await run(["scenario.mjs"]);
    const result: Results = JSON.parse(stdout);
    results.set(name, result);
    expect(result.agree).toBe(true);
    expect(result.wasm.kernels).toMatch(/^wasm simd\+threads/);
    // Where this machine has native kernels, every runtime has them.
    expect(result.native === null).toBe([...results.values()][0]!.native === null);
    for (const computed of [result.native ?? result.wasm, result.wasm]) {
      expect(computed.best[0]).toBe("horse");
      expect(computed.sameTogether).toBe(true);
      expect(computed.refused).toMatch(/^expected a JPEG, .*, received /);
    }
  });

  it("has the same bits: outputs, answers, errors and trained weights", () => {
    expect([...results.keys()]).toEqual(runtimes.map(({ name }) => name));
    const [first, ...others] = results.values();
    for (const other of others) expect(other).toEqual(first);
  });

  it.each(runtimes)("$name runs the command line", async ({ run }) => {
    const main = "node_modules/repvgg/dist/cli/main.js";
    expect((await run([main, "--version"])).stdout).toBe(`${manifest.version}\n`);
    const { stdout } = await run([main, "info", "A0", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ parameters: { plain: 8309384 } });
    await expect(run([main, "info", "no-such-net"])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^repvgg: expected .*\n$/),
    });
  });
});

describe("TypeScript", () => {
  const program = `
    import { createClassifier, fold, kernels, loadModel, predict, UserError, type Classifier, type Prediction } from "repvgg";
    import { createEngine, type Engine } from "repvgg/browser";
    const best: Prediction | undefined = (await predict(fold(await loadModel("a")), "b"))[0];
    const classifier: Classifier = await createClassifier("a", { threads: 1 });
    const logits: Float32Array = (await classifier.classify(new Uint8Array(1))).logits;
    const engine: Promise<Engine> = createEngine();
    console.log(best?.name, kernels().name, logits, engine, UserError);
    export {};
  `;

  it.each(typescriptVersions)(
    "%s takes the declarations, strictly, for every way of resolving modules",
    async (version) => {
      writeFileSync(join(folder, "user.mts"), program);
      const tsc = join(folder, "node_modules", `typescript-${version}`, "bin/tsc");
      for (const [module, moduleResolution] of [
        ["node16", "node16"],
        ["nodenext", "nodenext"],
        ["esnext", "bundler"],
      ] as const) {
        const options = ["--noEmit", "--strict", "--skipLibCheck", "false", "--types", "node", "--lib", "es2023,dom"];
        const resolving = ["--target", "es2022", "--module", module, "--moduleResolution", moduleResolution];
        const { stdout } = await run(process.execPath, [tsc, ...options, ...resolving, "user.mts"], {
          cwd: folder,
        }).catch((error: { stdout: string }) => error);
        expect(stdout).toBe("");
      }
    },
  );
});
