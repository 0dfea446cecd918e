import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { loadModel } from "#repvgg/index.js";
import { repvgg, testFolder } from "../cli/support.js";
import { drawPhotographs } from "../photographs.js";
import { codeBlocks, commandsIn } from "./markdown.js";

type Eight = [string, string, string, string, string, string, string, string];

const page = readFileSync(fileURLToPath(new URL("../../docs/train.md", import.meta.url)), "utf8");

it("docs/train.md, followed as it stands, trains a net that knows its pictures", async () => {
  const cwd = testFolder();
  await drawPhotographs(join(cwd, "photos"), 19, ["disc", "square", "stripes"]);
  await drawPhotographs(join(cwd, "others"), 19, ["bar", "disc", "ring"]);
  const commands = codeBlocks(page)
    .filter(({ language, attributes }) => language === "sh" && !attributes.includes("no-run"))
    .flatMap(({ text }) => commandsIn(text));
  expect(commands.map(([npx, program, verb]) => [npx, program, verb])).toEqual(
    ["data", "train", "train", "train", "fold", "predict", "train", "train"].map((verb) => ["npx", "repvgg", verb]),
  );
  const said: string[] = [];
  for (const [, , ...args] of commands) {
    const { code, stdout, stderr } = await repvgg(args, { cwd });
    expect(code, `${args.join(" ")}: ${stderr}`).toBe(0);
    said.push(stdout + stderr);
  }
  const [, train, resumed, longer, , predicted, tuned, head] = said as Eight;

  const example = codeBlocks(page).find(({ text }) => text.startsWith("chosen for"))!.text;
  expect(train).toContain(example);
  const run = join(cwd, "runs", "photos-nano");
  for (const [, file] of page.matchAll(/^\| `([\w.]+)`/gm)) expect(existsSync(join(run, file!)), file).toBe(true);
  const top1 = Number(/^test top-1 (\d+\.\d+) %/m.exec(train)![1]);
  expect(top1).toBeGreaterThan(60); // by chance: 33
  expect(resumed).toContain(`test top-1 ${top1.toFixed(2)} %`);
  expect(longer).toMatch(/^110 epochs instead of 100, a warm restart: the run had ended at a learning rate of /m);
  expect(longer).toMatch(/^epoch 110: /m);
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
