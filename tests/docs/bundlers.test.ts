import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Installed, installTarball, root } from "../pack.js";
import { codeBlocks, commandsIn } from "./markdown.js";

const run = promisify(execFile);
const blocks = codeBlocks(readFileSync(join(root, "docs/bundlers.md"), "utf8"));
const vite = binaryOf("vite");

let installed: Installed;
beforeAll(() => {
  installed = installTarball();
  const server = `
    import { kernels, loadModel, predict } from "repvgg";
    const assets = ${JSON.stringify(join(installed.folder, "node_modules/repvgg/assets"))};
    const net = await loadModel(assets + "/models/cifar10/plain.safetensors");
    const [best] = await predict(net, assets + "/samples/horses.jpg");
    console.log(best.name, kernels().kind);`;
  writeFileSync(join(installed.folder, "server.mjs"), server);
}, 60_000);
afterAll(() => installed.remove());

describe("esbuild", () => {
  const [, ...args] = blocks
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => commandsIn(text))
    .find((words) => words.includes("esbuild"))!;

  it("builds a server by the page's line, and it classifies", async () => {
    await run(join(root, "node_modules/.bin/esbuild"), args.slice(1), { cwd: installed.folder });
    const { stdout } = await run(process.execPath, ["dist/server.mjs"], { cwd: installed.folder });
    expect(stdout).toMatch(/^horse (native|wasm)\n$/);
  });

  it("bundled all the same, a classifier says in one line what to do", async () => {
    const outfile = join(installed.folder, "bundled-classifier", "server.mjs");
    const bundling = [
      "server.mjs",
      "--bundle",
      "--platform=node",
      "--format=esm",
      "--external:sharp",
      `--outfile=${outfile}`,
    ];
    await run(join(root, "node_modules/.bin/esbuild"), bundling, { cwd: installed.folder });
    const { status, stderr } = spawnSync(process.execPath, [outfile], { cwd: installed.folder, encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toMatch(/UserError: expected the classifiers' worker .*keep repvgg external/);
  });

  it.each(["1", "3"])("bundled all the same, the program says in one line what to do (%s threads)", async (threads) => {
    const folder = join(installed.folder, `bundled-${threads}`, "deep");
    const script = `import { createSession, repvgg } from "repvgg";
      await createSession(repvgg("nano"), { kernels: "wasm", threads: ${threads} });`;
    writeFileSync(join(installed.folder, "whole.mjs"), script);
    const outfile = `--outfile=${join(folder, "server.mjs")}`;
    const bundling = ["whole.mjs", "--bundle", "--platform=node", "--format=esm", "--external:sharp", outfile];
    await run(join(root, "node_modules/.bin/esbuild"), bundling, { cwd: installed.folder });
    const { status, stderr } = spawnSync(process.execPath, [join(folder, "server.mjs")], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /UserError: expected the kernels at file:\/\/\S+\/kernels\/simd\S*\.wasm, received no such file or folder: .*keep repvgg external/,
    );
    expect(stderr).toContain('Next.js: serverExternalPackages: ["repvgg"]');

    // The kernels copied along, but not the workers: the next thing that is missing is told as well.
    const kernels = /file:\/\/(\S+)\/simd\S*\.wasm/.exec(stderr)![1]!;
    mkdirSync(kernels, { recursive: true });
    const shipped = join(installed.folder, "node_modules/repvgg/dist/kernels");
    for (const name of readdirSync(shipped))
      if (name.endsWith(".wasm")) writeFileSync(join(kernels, name), readFileSync(join(shipped, name)));
    const again = spawnSync(process.execPath, [join(folder, "server.mjs")], {
      cwd: installed.folder,
      encoding: "utf8",
    });
    if (threads === "1") expect(again.stderr).not.toContain("kernels at");
    else expect(again.stderr).toMatch(/UserError: expected the file of a kernel worker .*keep repvgg external/);

    // Another build under the name of this one, as a bundler may give that guesses: it is looked at before it is compiled.
    for (const name of readdirSync(kernels)) writeFileSync(join(kernels, name), "not wasm");
    const wrong = spawnSync(process.execPath, [join(folder, "server.mjs")], {
      cwd: installed.folder,
      encoding: "utf8",
    });
    rmSync(kernels, { recursive: true });
    expect(wrong.stderr).toMatch(/UserError: expected kernels that this runtime takes at .*no WebAssembly: .*external/);
  });
});

describe.skipIf(vite === undefined)("Vite", () => {
  const config = blocks.find(({ attributes }) => attributes.includes("vite"))!.text;

  it.each([
    ["with the page's options", config],
    ["without", "export default {};\n"],
  ])("builds a page %s: kernels and workers lie beside it", async (name, text) => {
    const folder = join(installed.folder, name.replaceAll(/\W/g, "-"));
    mkdirSync(folder);
    writeFileSync(join(folder, "vite.config.js"), text);
    writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="/main.js"></script>');
    const page =
      'import { createEngine } from "repvgg/browser";\ncreateEngine().then((e) => console.log(e.kernels));\n';
    writeFileSync(join(folder, "main.js"), page);
    const { stdout, stderr } = await run(process.execPath, [vite!, "build"], { cwd: folder });
    expect(`${stdout}${stderr}`).not.toMatch(/source ?map|error/i);
    const files = readdirSync(join(folder, "dist/assets"));
    for (const build of ["simd-", "simd-threads-", "simd-threads-relaxed-"])
      expect(files.some((file) => file.startsWith(build) && file.endsWith(".wasm"))).toBe(true);
    expect(files.some((file) => /^worker-main-.*\.js$/.test(file))).toBe(true);
    expect(files.some((file) => /^worker-main\.browser-.*\.js$/.test(file))).toBe(true);
  });

  it("serves it in development without a warning of source maps that are not there", async () => {
    const folder = join(installed.folder, "development");
    mkdirSync(folder);
    writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="/main.js"></script>');
    writeFileSync(join(folder, "main.js"), 'import "repvgg/browser";\n');
    const script = `
      import { createLogger, createServer } from ${JSON.stringify(join(dirname(vite!), "../dist/node/index.js"))};
      import { readdirSync } from "node:fs";
      const said = [];
      const customLogger = { ...createLogger("info"), info: (m) => said.push(m), warn: (m) => said.push(m), warnOnce: (m) => said.push(m), error: (m) => said.push(m) };
      const exclude = { optimizeDeps: { exclude: ["repvgg"] }, worker: { format: "es" } };
      const server = await createServer({ ...exclude, configFile: false, customLogger, server: { port: 0 } });
      const modules = ${JSON.stringify(join(installed.folder, "node_modules/repvgg/dist"))};
      let served = 0;
      for (const name of ["browser.js", "browser/engine/create-engine.js", "browser/engine/worker-main.js", "engine/session.js", "nn/repvgg.js"])
        if (await server.transformRequest("/@fs" + modules + "/" + name)) served++;
      await server.close();
      console.log(JSON.stringify({ served, said }));
      process.exit(0);`;
    writeFileSync(join(folder, "serve.mjs"), script);
    const { stdout } = await run(process.execPath, ["serve.mjs"], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual({ served: 5, said: [] });
  });
});

/** The script of a tool, where this checkout has it. */
function binaryOf(name: string): string | undefined {
  try {
    const manifest = createRequire(join(root, "package.json")).resolve(`${name}/package.json`);
    const script = join(dirname(manifest), "bin", `${name}.js`);
    return existsSync(script) ? script : undefined;
  } catch {
    return undefined;
  }
}
