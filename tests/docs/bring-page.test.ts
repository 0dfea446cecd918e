import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { expect, it } from "vitest";
import { rngFor } from "#repvgg/core/rng.js";
import { loadNet, repvgg as net, netOf, saveNet } from "#repvgg/index.js";
import { repvgg, testFolder } from "../cli/support.js";
import { codeBlocks, commandsIn } from "./markdown.js";

const page = readFileSync(fileURLToPath(new URL("../../docs/bring.md", import.meta.url)), "utf8");
const classNames = ["disc", "square", "stripes"];

/** What stands for a reader's ONNX file and pictures: a net with branches that nobody has trained, and noise. */
async function bring(folder: string): Promise<void> {
  const model = net("nano", { classNames, inputSize: 64, inputChannels: 3, statistics: "seeded" });
  await saveNet(netOf(model), join(folder, "model.onnx"));
  for (const name of classNames) {
    mkdirSync(join(folder, "photos", name), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const rng = rngFor(0, "photos", name, i);
      const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, () => Math.floor(rng.uniform(0, 256)));
      const file = await sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } })
        .jpeg()
        .toBuffer();
      writeFileSync(join(folder, "photos", name, `${i}.jpg`), file);
    }
  }
}

it("docs/bring.md, followed as it stands, folds a net without changing its answers", async () => {
  const cwd = testFolder();
  await bring(cwd);
  const commands = codeBlocks(page)
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => commandsIn(text));
  expect(commands.map(([npx, program, verb]) => [npx, program, verb])).toEqual(
    ["info", "eval", "fold", "verify", "verify", "fold", "eval", "predict", "export"].map((verb) => [
      "npx",
      "repvgg",
      verb,
    ]),
  );
  const said: string[] = [];
  for (const [, , ...args] of commands) {
    const { code, stdout, stderr } = await repvgg(args, { cwd });
    expect(code, `${args.join(" ")}: ${stderr}`).toBe(0);
    said.push(stdout + stderr);
  }
  const [info, before, fold, , , explained, after, predicted] = said as [string, ...string[]] & { length: 9 };
  expect(info).toMatch(/parameters/);
  expect(fold).toMatch(/7 regions folded .*[\s\S]*proven region by region/);
  expect(explained).toContain("not written (no --output)");
  const accuracy = (text: string) => /top-1.*?(\d+\.\d+) %/.exec(text)![1];
  expect(accuracy(after!)).toBe(accuracy(before!));
  expect(predicted).toMatch(/disc|square|stripes/);
  const { graph } = await loadNet(join(cwd, "folded.onnx"));
  expect(graph.nodes.filter(({ op }) => op === "BatchNormalization")).toEqual([]);
  const { model } = await loadNet(join(cwd, "folded.pth"));
  expect(model).toMatchObject({ form: "plain", metadata: { classNames } });
}, 300_000);
