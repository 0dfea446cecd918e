import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { openPage } from "../browser/support.js";
import { codeBlocks } from "../docs/markdown.js";
import { root } from "../pack.js";
import { drawPhotographs } from "../photographs.js";
import type { Install } from "./checks.js";
import { runLine, shellLines, startServer } from "./support.js";

const readme = readFileSync(join(root, "README.md"), "utf8");
const commands = shellLines(readme);
const programs = codeBlocks(readme).filter(({ language }) => language === "ts");

/** The README's line that begins like this. @throws Error where there is none any more: then this path has to change with it. */
function command(start: string): string {
  const found = commands.find((line) => line.startsWith(start));
  if (found === undefined) throw new Error(`README.md has no command "${start} …"`);
  return found;
}

/** The README's program that has this word. */
function program(word: string): string {
  const found = programs.find(({ text }) => text.includes(word));
  if (!found) throw new Error(`README.md has no program with ${word}`);
  return found.text;
}

/** The same numbers through this package and through ONNX Runtime. */
const inferring = `
  import ort from "onnxruntime-node";
  import { createSession, loadModel } from "repvgg";
  const { preprocessing } = (await loadModel("plain.safetensors")).metadata;
  const [height, width] = preprocessing.size;
  const data = Float32Array.from({ length: 3 * height * width }, (_, i) => Math.fround(2 * Math.sin(i * i)));
  const [ours] = Object.values((await createSession("plain.safetensors")).run({ shape: [1, 3, height, width], data }));
  const session = await ort.InferenceSession.create("plain.onnx");
  const inputs = { [session.inputNames[0]]: new ort.Tensor("float32", data, [1, 3, height, width]) };
  const theirs = (await session.run(inputs))[session.outputNames[0]];
  console.log(JSON.stringify({ ours: [...ours.data], theirs: [...theirs.data] }));
`;

/**
 * What somebody does who has read the README: an empty project, the package, a sample, 40 photographs of one's own trained and folded, a
 * page built with Vite, and the net in ONNX Runtime. Commands and programs are the README's; only where it says `model.onnx` stand this path's files.
 * @param install of `npm install …` in the folder
 */
export async function strangersPath(install: Install): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "repvgg-stranger-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const dependencies = { repvgg: "*", vite: "^8.4.0", "onnxruntime-node": "^1.30.0" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  expect(command("npm install repvgg")).toBe("npm install repvgg");
  // Without scripts: that of onnxruntime-node downloads libraries for GPUs. This package has none.
  await install(folder, "npm install --ignore-scripts");

  // A sample, by the README's program and on the command line.
  writeFileSync(join(folder, "classify.mjs"), program('loadModel("node_modules/repvgg'));
  const [, name, probability] = /console\.log.* \/\/ (\w+) ([\d.]+)/.exec(program('loadModel("node_modules/repvgg'))!;
  const said = (await runLine("node classify.mjs", folder)).trim().split(" ");
  expect([said[0], Number(said[1]).toFixed(2)]).toEqual([name, probability]);

  // Photographs of one's own.
  await drawPhotographs(join(folder, "path/to/pictures"), 20, ["disc", "square"]);
  const trained = await runLine(command("npx repvgg train path/to/pictures"), folder);
  expect(Number(/^test top-1 (\d+\.\d+) %/m.exec(trained)![1])).toBeGreaterThan(60); // by chance: 50
  await runLine(command("npx repvgg fold runs/pictures-nano"), folder);
  copyFileSync(join(folder, "path/to/pictures/disc/3.jpg"), join(folder, "cat.jpg"));
  const predicted = await runLine(command("npx repvgg predict plain.safetensors"), folder);
  expect(predicted).toMatch(/disc/);

  // A page.
  const page = join(folder, "page");
  mkdirSync(join(page, "public/models"), { recursive: true });
  copyFileSync(join(folder, "plain.safetensors"), join(page, "public/models/net.safetensors"));
  copyFileSync(join(folder, "cat.jpg"), join(page, "public/cat.jpg"));
  const config = codeBlocks(readFileSync(join(root, "docs/bundlers.md"), "utf8")).find(({ attributes }) =>
    attributes.includes("vite"),
  )!;
  writeFileSync(join(page, "vite.config.js"), config.text);
  writeFileSync(
    join(page, "main.ts"),
    `${program('from "repvgg/browser"')}document.title = String(predictions[0]?.name);\n`,
  );
  const html =
    '<!doctype html><title>…</title><link rel="icon" href="data:,"><img src="/cat.jpg"><script type="module" src="/main.ts"></script>';
  writeFileSync(join(page, "index.html"), html);
  await runLine("npx vite build --target es2022", page);
  const { url } = await startServer("npx vite preview --port 0 --host 127.0.0.1", page);
  const opened = await openPage(url);
  await expect.poll(async () => [await opened.page.title(), ...opened.errors], { timeout: 50_000 }).toEqual(["disc"]);
  await opened.close();

  // ONNX, and what another runtime makes of it.
  const exporting = command("npx repvgg export a0.safetensors").replaceAll("a0.", "plain.");
  expect(await runLine(exporting, folder)).toContain("plain.onnx");
  expect(existsSync(join(folder, "plain.onnx"))).toBe(true);
  await runLine("npx repvgg verify plain.safetensors plain.onnx", folder);
  expect(await runLine("npx repvgg predict plain.onnx cat.jpg", folder)).toMatch(/disc/);
  writeFileSync(join(folder, "infer.mjs"), inferring);
  const { ours, theirs }: Record<"ours" | "theirs", number[]> = JSON.parse(await runLine("node infer.mjs", folder));
  expect(ours).toHaveLength(2);
  const scale = Math.max(...theirs.map(Math.abs));
  for (const [i, value] of ours.entries()) expect(Math.abs(value - theirs[i]!)).toBeLessThan(1e-4 * Math.max(1, scale));
}
