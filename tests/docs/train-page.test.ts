import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { loadModel } from "#repvgg/index.js";
import { repvgg, testFolder } from "../cli/support.js";
import { drawPhotographs } from "../photographs.js";
import { codeBlocks, commandsIn } from "./markdown.js";

const page = readFileSync(fileURLToPath(new URL("../../docs/train.md", import.meta.url)), "utf8");

it("docs/train.md, followed as it stands, trains a net that knows its pictures", async () => {
  const cwd = testFolder();
  await drawPhotographs(join(cwd, "photos"), 19);
  const commands = codeBlocks(page)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => commandsIn(text));
  expect(commands.map(([npx, program, verb]) => [npx, program, verb])).toEqual(
    ["data", "train", "train", "fold", "predict", "train"].map((verb) => ["npx", "repvgg", verb]),
  );
  const said: string[] = [];
  for (const [, , ...args] of commands) {
    const { code, stdout, stderr } = await repvgg(args, { cwd });
    expect(code, `${args.join(" ")}: ${stderr}`).toBe(0);
    said.push(stdout + stderr);
  }
  const [, train, resumed, , predicted, tuned] = said as [string, string, string, string, string, string];

  const example = codeBlocks(page).find(({ text }) => text.startsWith("chosen for"))!.text;
  expect(train).toContain(example);
  const run = join(cwd, "runs", "photos-nano");
  for (const [, file] of page.matchAll(/^\| `([\w.]+)`/gm)) expect(existsSync(join(run, file!)), file).toBe(true);
  const top1 = Number(/^test top-1 (\d+\.\d+) %/m.exec(train)![1]);
  expect(top1).toBeGreaterThan(60); // by chance: 33
  expect(resumed).toContain(`test top-1 ${top1.toFixed(2)} %`);
  expect(predicted).toMatch(/disc/);
  expect(tuned).toMatch(/chosen for .*, weights trained before: .*--learning-rate 0\.0025 /);
  expect(tuned).toContain("keeps its preprocessing: 96×96 pixels");
  const [before, after] = await Promise.all(
    [run, join(cwd, "runs", "again")].map((folder) => loadModel(join(folder, "model.safetensors"))),
  );
  expect(after!.metadata.preprocessing).toEqual(before!.metadata.preprocessing);

  const again = await repvgg(["train", "photos", "--epochs", "1", "--no-report"], { cwd });
  expect(again.stdout).toContain("runs/photos-nano-2/model.safetensors");
  const plain = await repvgg(["train", "photos", "--from", "plain.safetensors"], { cwd });
  expect(plain.stderr).toMatch(/repvgg: expected a net in training form, with its branches, received the plain form/);
  expect(existsSync(join(cwd, "runs", "photos-finetuned"))).toBe(false);
}, 600_000);
