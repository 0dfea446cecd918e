import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { publint } from "publint";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandEntries } from "#repvgg/cli/commands.js";
import { sourceFiles } from "../scripts/rooms.mjs";
import { folderBytes, type Installed, installedPackages, installTarball, manifest, npmPack, root } from "./pack.js";

const run = promisify(execFile);

const packed = npmPack();

describe("the tarball", () => {
  const paths = packed.files.map(({ path }) => path);

  it("has these folders and files at its top", () => {
    const top = [...new Set(paths.map((path) => path.split("/")[0]!))].sort();
    const expected = ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "assets", "dist", "package.json"];
    // The page is there where this checkout has built it. Addons have packages of their own.
    if (existsSync(join(root, "playground/dist/index.html"))) expected.push("playground");
    expect(top).toEqual(expected);
  });

  it("has nothing that only this repository needs", () => {
    const forbidden =
      /\.(map|tsbuildinfo|sha256|tgz|log)$|(^|\/)(tests?|node_modules|\.[^/]+)\/|\.test\.|(^|\/)\.[^/]+$/;
    expect(paths.filter((path) => forbidden.test(path))).toEqual([]);
    expect(paths.filter((path) => path.startsWith("playground/dist/shared"))).toEqual([]);
  });

  it("has no large file twice", () => {
    const bySize = new Map<number, string>();
    const twice: string[] = [];
    // The page's bundle has kernels of its own, under names that say what is in them.
    for (const { path, size } of packed.files.filter(({ path, size }) => size > 200_000 && !path.endsWith(".wasm"))) {
      const before = bySize.get(size);
      if (before !== undefined && readFileSync(join(root, before)).equals(readFileSync(join(root, path))))
        twice.push(`${before} = ${path}`);
      bySize.set(size, path);
    }
    expect(twice).toEqual([]);
  });

  it("has no script that names a source map which is not there", () => {
    const scripts = paths.filter((path) => /\.(js|mjs|css|d\.ts)$/.test(path));
    const named = scripts.filter((path) =>
      /^\/[/*][#@] sourceMappingURL=/m.test(readFileSync(join(root, path), "utf8")),
    );
    expect(scripts.length).toBeGreaterThan(500);
    expect(named).toEqual([]);
  });

  it("is small", () => {
    expect(packed.size).toBeLessThan(12e6);
    expect(packed.unpackedSize).toBeLessThan(18e6);
  });

  it("installs few packages, without reports and hub", () => {
    const packages = installedPackages();
    expect(packages.length).toBeLessThanOrEqual(25);
    const others = packages.slice(1).reduce((sum, place) => sum + folderBytes(join(root, place)), 0);
    const bytes = packed.unpackedSize + others;
    expect(bytes).toBeLessThan(45e6);
    const readme = readFileSync(join(root, "README.md"), "utf8");
    expect(readme).toContain(`${packages.length} packages, `);
    expect(Math.abs(Number(/packages, (\d+) MB/.exec(readme)![1]) - bytes / 1e6)).toBeLessThan(4);
  });

  it("pleases publint", async () => {
    const { messages } = await publint({ pkgDir: root, pack: "npm", strict: true });
    expect(messages.filter(({ type }) => type === "error")).toEqual([]);
  });

  it("says which Node it needs, once", () => {
    const main = readFileSync(join(root, "src/cli/main.ts"), "utf8");
    const [, major, minor] = /oldestNode = \[(\d+), (\d+)\]/.exec(main)!;
    expect(manifest.engines.node).toBe(`>=${major}.${minor}`);
  });

  it("names all modules that do something when they are loaded as having side effects", () => {
    const pattern = { "**/": "(.*/)?", "*": "[^/]*", ".": "\\." } as const;
    const listed = manifest.sideEffects.map(
      (glob) => new RegExp(`^${glob.replace(/\*\*\/|\*|\./g, (part) => pattern[part as keyof typeof pattern])}$`),
    );
    const found = [...sourceFiles()].filter(([, text]) => hasEffects(text)).map(([name]) => name);
    // Fill tables of their own, which nobody misses who does not import them.
    const own = ["fold/rules.ts", "formats/onnx/repeated.ts"];
    expect(found.filter((name) => !own.includes(name) && !isListed(name)).sort()).toEqual([]);
    expect(found.filter(isListed).length).toBeGreaterThan(5);
    function isListed(name: string): boolean {
      return listed.some((glob) => glob.test(`./dist/${name.replace(/\.ts$/, ".js")}`));
    }
  });
});

/** Whether a module's own statements do more than declare. */
function hasEffects(text: string): boolean {
  const { statements } = ts.createSourceFile("module.ts", text, ts.ScriptTarget.ESNext);
  return statements.some(
    (s) =>
      !(
        ts.isImportDeclaration(s) ||
        ts.isExportDeclaration(s) ||
        ts.isVariableStatement(s) ||
        ts.isFunctionDeclaration(s) ||
        ts.isClassDeclaration(s) ||
        ts.isInterfaceDeclaration(s) ||
        ts.isTypeAliasDeclaration(s)
      ),
  );
}

describe("what is loaded", () => {
  /** Modules and files of packages that a program loads: what it imports and what it requires. */
  function loaded(args: readonly string[]): string[] {
    const hooks = `import { registerHooks } from "node:module"; import { appendFileSync } from "node:fs";
      registerHooks({ load(url, context, next) { appendFileSync(process.env.LOADED, url + "\\n"); return next(url, context); } });`;
    const file = join(installed.folder, "loaded.txt");
    const preload = join(installed.folder, "hooks.mjs");
    const supported =
      typeof (process.getBuiltinModule("node:module") as { registerHooks?: unknown }).registerHooks === "function";
    writeFileSync(preload, supported ? hooks : asyncHooks(installed.folder));
    writeFileSync(file, "");
    execFileSync(process.execPath, ["--import", preload, ...args], {
      cwd: installed.folder,
      env: { ...process.env, LOADED: file },
      stdio: "ignore",
    });
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((url) => url.startsWith("file:") && url !== `file://${preload}`);
  }

  it("--version loads a handful of modules, --help no more", () => {
    for (const flag of ["--version", "--help"]) {
      const modules = loaded([cli(), flag]);
      expect(modules.length).toBeGreaterThan(4);
      expect(modules.length).toBeLessThanOrEqual(20);
    }
  });

  it("importing the library loads our own modules only: no decoder, no hub", () => {
    writeFileSync(join(installed.folder, "only-import.mjs"), 'import "repvgg";\n');
    const modules = loaded(["only-import.mjs"]);
    expect(modules.length).toBeGreaterThan(50);
    expect(modules.length).toBeLessThanOrEqual(660);
    expect(modules.filter((url) => /node_modules\/(?!repvgg\/)/.test(url))).toEqual([]);
    expect(modules.filter((url) => /\/dist\/cli\//.test(url))).toEqual([]);
  });

  it("the host's sharp stays as it is", async () => {
    const script = `
      import sharp from "sharp"; import { readFileSync } from "node:fs";
      const settings = () => [sharp.cache().items.max, sharp.concurrency()];
      sharp.cache({ items: 7 }); sharp.concurrency(3);
      const { extractFeatures, loadModel, predict } = await import("repvgg");
      const assets = "node_modules/repvgg/assets/";
      const model = await loadModel(assets + "models/cifar10/plain.safetensors");
      await extractFeatures(model, assets + "samples/dog.jpg", ["stage1"]);
      const decoded = settings();
      // The classifiers' worker loads sharp for itself, which sets its defaults for the process, once: docs/serve.md.
      await predict(model, assets + "samples/dog.jpg");
      sharp.cache({ items: 8 }); sharp.concurrency(4);
      await predict(model, assets + "samples/dog.jpg");
      console.log(JSON.stringify([decoded, settings()]));`;
    writeFileSync(join(installed.folder, "host.mjs"), script);
    expect(JSON.parse((await run(process.execPath, ["host.mjs"], { cwd: installed.folder })).stdout)).toEqual([
      [7, 3],
      [8, 4],
    ]);
  });
});

/** For Node without registerHooks (before 22.15): hooks on a thread of their own. */
function asyncHooks(folder: string): string {
  writeFileSync(
    join(folder, "hooks-thread.mjs"),
    `import { appendFileSync } from "node:fs";
     export async function load(url, context, next) { appendFileSync(process.env.LOADED, url + "\\n"); return next(url, context); }`,
  );
  return `import { register } from "node:module"; register("./hooks-thread.mjs", import.meta.url);`;
}

let installed: Installed;
beforeAll(() => {
  installed = installTarball();
}, 60_000);
afterAll(() => installed.remove());

const cli = (): string => join(installed.folder, "node_modules/repvgg/dist/cli/main.js");

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the installed command line in the empty project. */
function repvgg(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
  const { REPVGG_BACKEND: _, ...rest } = process.env;
  const options = { cwd: installed.folder, encoding: "utf8", env: { ...rest, ...env } } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli(), ...args], options);
  return { status, stdout, stderr };
}

describe("the package in an empty project", () => {
  const assets = "node_modules/repvgg/assets";
  const net = `${assets}/models/cifar10/plain.safetensors`;
  const picture = `${assets}/samples/horses.jpg`;

  it("classifies a sample from a program, as from the command line", async () => {
    const script = `
      import { kernels, loadModel, predict } from "repvgg";
      const [best] = await predict(await loadModel(${JSON.stringify(net)}), ${JSON.stringify(picture)});
      console.log(JSON.stringify({ best, kernels: kernels() }));`;
    writeFileSync(join(installed.folder, "classify.mjs"), script);
    const { stdout } = await run(process.execPath, ["classify.mjs"], { cwd: installed.folder });
    const program = JSON.parse(stdout);
    expect(program.best.name).toBe("horse");
    expect(program.kernels.threads).toBeGreaterThan(0);
    const line = repvgg(["predict", net, picture, "--json"]);
    expect(line).toMatchObject({ status: 0, stderr: "" });
    expect(JSON.parse(line.stdout).pictures[0].predictions[0]).toEqual(program.best);
  });

  it("can be required", async () => {
    writeFileSync(join(installed.folder, "old.cjs"), 'console.log(typeof require("repvgg").fold);');
    const { stdout } = await run(process.execPath, ["--no-warnings", "old.cjs"], { cwd: installed.folder });
    expect(stdout).toBe("function\n");
  });

  it("folds, verifies and tells about a net", () => {
    expect(repvgg(["fold", `${assets}/models/cifar10/train.safetensors`, "-o", "plain.onnx"]).status).toBe(0);
    expect(repvgg(["info", "plain.onnx"]).status).toBe(0);
    expect(repvgg(["verify", `${assets}/models/cifar10/train.safetensors`, "plain.onnx"]).status).toBe(0);
  });

  it("says in one line that WebAssembly runs, and why, unless it was chosen", () => {
    const without = { REPVGG_ADDON: join(installed.folder, "no-such.node") };
    const told = repvgg(["predict", net, picture], without);
    expect(told.status).toBe(0);
    expect(told.stderr).toMatch(
      /^WebAssembly kernels run, slower than native ones: REPVGG_ADDON names no file: \S+\n$/,
    );
    for (const args of [["--kernels", "wasm"], ["--quiet"], ["--json"]])
      expect(repvgg(["predict", net, picture, ...args], without)).toMatchObject({ status: 0, stderr: "" });
    expect(repvgg(["predict", net, picture], { ...without, REPVGG_BACKEND: "wasm" }).stderr).toBe("");
    expect(repvgg(["info", "nano"], without).stderr).toBe("");
  });

  it("says what pulling needs where that is not installed", () => {
    expect(repvgg(["pull", "timm/repvgg_a0.rvgg_in1k"])).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "repvgg: expected the package @huggingface/hub, which pulling from a hub needs, received none: npm install @huggingface/hub\n",
    });
    expect(Object.keys(manifest.peerDependencies)).toEqual(["@huggingface/hub"]);
    expect(manifest.peerDependenciesMeta["@huggingface/hub"]).toEqual({ optional: true });
  });

  it.skipIf(!existsSync(join(root, "playground/dist/index.html")))(
    "serves the playground with the package's own assets, and without onnxruntime-web",
    async () => {
      const child = spawn(process.execPath, [cli(), "playground", "--port", "0", "--json"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        const url = await new Promise<string>((resolve) => {
          let text = "";
          child.stdout.on("data", (data) => {
            text += data;
            if (text.endsWith("}\n")) resolve(JSON.parse(text).url);
          });
        });
        const get = (path: string) => fetch(new URL(path, url));
        expect(await (await get("shared/engines.json")).json()).toEqual({ onnxruntime: false });
        // Every file of the package's assets that the page's scripts name is there.
        const scripts = packed.files.filter(({ path }) => /^playground\/dist\/assets\/.*\.js$/.test(path));
        const named = scripts.flatMap(({ path }) => [
          ...readFileSync(join(root, path), "utf8").matchAll(/shared\/[\w./-]+\.\w+/g),
        ]);
        const files = [...new Set(named.map(([file]) => file))];
        expect(files.length).toBeGreaterThanOrEqual(11);
        for (const file of files) expect((await get(file)).status, file).toBe(200);
      } finally {
        child.kill();
      }
    },
  );

  it("lists all commands with their summaries, and each has its own help", () => {
    const { stdout } = repvgg(["--help"]);
    const names = [...stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name!).filter((n) => n !== "help");
    expect(names).toEqual(commandEntries.map(({ name }) => name));
    for (const name of ["train", "info"]) {
      const help = repvgg([name, "--help"]);
      expect(help).toMatchObject({ status: 0, stderr: "" });
      expect(repvgg(["help", name]).stdout).toBe(help.stdout);
      expect(help.stdout).toContain("--json");
    }
  });

  it("type-checks, strictly and its declarations too, for every way of resolving modules", () => {
    const folder = join(installed.folder, "types");
    mkdirSync(folder, { recursive: true });
    const file = join(folder, "user.mts");
    writeFileSync(
      file,
      `import { fold, kernels, loadModel, predict, type Prediction } from "repvgg";
       import { createEngine } from "repvgg/browser";
       const best: Prediction | undefined = (await predict(fold(await loadModel("a")), "b"))[0];
       console.log(best?.name, kernels().name, createEngine);`,
    );
    for (const [moduleResolution, module] of [
      [ts.ModuleResolutionKind.NodeNext, ts.ModuleKind.NodeNext],
      [ts.ModuleResolutionKind.Bundler, ts.ModuleKind.ESNext],
    ] as const) {
      const program = ts.createProgram([file], {
        ...{ moduleResolution, module, target: ts.ScriptTarget.ES2022, strict: true, noEmit: true },
        ...{ lib: ["lib.es2023.d.ts", "lib.dom.d.ts"], types: ["node"], skipLibCheck: false },
        typeRoots: [join(root, "node_modules/@types")],
      });
      expect(
        ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " ")),
      ).toEqual([]);
    }
  });
});
