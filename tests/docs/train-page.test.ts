import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, it } from "vitest";
import { rngFor } from "#repvgg/core/rng.js";
import { loadModel } from "#repvgg/index.js";
import { repvgg, testFolder } from "../cli/support.js";
import { codeBlocks, commandsIn } from "./markdown.js";

const page = readFileSync(fileURLToPath(new URL("../../docs/train.md", import.meta.url)), "utf8");

/** What stands for a reader's photographs: 19 of each class, 640×480, of any place, size and ground. */
async function drawPhotographs(folder: string, names: readonly string[]): Promise<void> {
  const shapes: Record<string, (x: number, y: number, r: number) => string> = {
    ring: (x, y, r) => `<circle cx="${x}" cy="${y}" r="${r}" fill="none" stroke="#d0a020" stroke-width="${r / 3}"/>`,
    bar: (x, y, r) => `<rect x="${x - r / 4}" y="${y - r}" width="${r / 2}" height="${2 * r}" fill="#8020c0"/>`,
    disc: (x, y, r) => `<circle cx="${x}" cy="${y}" r="${r}" fill="#d02020"/>`,
    square: (x, y, r) => `<rect x="${x - r}" y="${y - r}" width="${2 * r}" height="${2 * r}" fill="#20a040"/>`,
    stripes: (x, y, r) =>
      [-1, -0.4, 0.2, 0.8]
        .map((at) => `<rect x="${x - r}" y="${y + at * r}" width="${2 * r}" height="${r / 3}" fill="#2040d0"/>`)
        .join(""),
  };
  for (const name of names) {
    const shape = shapes[name]!;
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < 19; i++) {
      const rng = rngFor(0, "photographs", name, i);
      const ground = Math.floor(rng.uniform(90, 255));
      const drawn = shape(rng.uniform(170, 470), rng.uniform(150, 330), rng.uniform(60, 140));
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><rect width="640" height="480" fill="rgb(${ground},${ground},${ground})"/>${drawn}</svg>`;
      await sharp(Buffer.from(svg))
        .jpeg()
        .toFile(join(folder, name, `${i}.jpg`));
    }
  }
}

it("docs/train.md, followed as it stands, trains a net that knows its pictures", async () => {
  const cwd = testFolder();
  await drawPhotographs(join(cwd, "photos"), ["disc", "square", "stripes"]);
  await drawPhotographs(join(cwd, "others"), ["bar", "disc", "ring"]);
  const commands = codeBlocks(page)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => commandsIn(text));
  expect(commands.map(([npx, program, verb]) => [npx, program, verb])).toEqual(
    ["data", "train", "train", "fold", "predict", "train", "train"].map((verb) => ["npx", "repvgg", verb]),
  );
  const said: string[] = [];
  for (const [, , ...args] of commands) {
    const { code, stdout, stderr } = await repvgg(args, { cwd });
    expect(code, `${args.join(" ")}: ${stderr}`).toBe(0);
    said.push(stdout + stderr);
  }
  const [, train, resumed, , predicted, tuned, head] = said as [string, string, string, string, string, string, string];

  const example = codeBlocks(page).find(({ text }) => text.startsWith("chosen for"))!.text;
  expect(train).toContain(example);
  const run = join(cwd, "runs", "photos-nano");
  for (const [, file] of page.matchAll(/^\| `([\w.]+)`/gm)) expect(existsSync(join(run, file!)), file).toBe(true);
  const top1 = Number(/^test top-1 (\d+\.\d+) %/m.exec(train)![1]);
  expect(top1).toBeGreaterThan(60); // by chance: 33
  expect(resumed).toContain(`test top-1 ${top1.toFixed(2)} %`);
  expect(predicted).toMatch(/disc/);
  const lines = codeBlocks(page)
    .find(({ text }) => text.startsWith("keeps its"))!
    .text.trim()
    .split("\n");
  expect(lines.length).toBe(4);
  for (const line of lines) expect(head).toContain(line);
  expect(tuned).toContain(lines[1]);
  expect(tuned).toMatch(/chosen for 45 pictures .*, weights trained before: .*--epochs \d+ --backbone-rate 0\.1 /);
  for (const [, flag] of page.matchAll(/^\| `--([a-z-]+)` \| [^|]+\| /gm))
    expect(`${tuned}${head}--freeze `, flag).toContain(`--${flag} `);
  const accuracies = [tuned, head].map((text) => Number(/^test top-1 (\d+\.\d+) %/m.exec(text)![1]));
  for (const accuracy of accuracies) expect(accuracy).toBeGreaterThan(60);
  const [before, ...after] = await Promise.all(
    [run, join(cwd, "runs", "others"), join(cwd, "runs", "head")].map((at) => loadModel(join(at, "model.safetensors"))),
  );
  for (const { metadata } of after) {
    expect(metadata.preprocessing).toEqual(before!.metadata.preprocessing);
    expect(metadata.classNames).toEqual(["bar", "disc", "ring"]);
  }

  const again = await repvgg(["train", "photos", "--epochs", "1", "--no-report"], { cwd });
  expect(again.stdout).toContain("runs/photos-nano-2/model.safetensors");
}, 600_000);
