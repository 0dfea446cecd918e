import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { rngFor } from "#repvgg/core/rng.js";
import { noTerminal, onTerminal, terminalState } from "./on-terminal.js";
import { fashionPictures, fileFolder, repvggJson } from "./support.js";

// Moments are random, by seed: a handful here; REPVGG_CTRL_C_SEEDS=50 for more of each command.
const seeds = Array.from({ length: Number(process.env["REPVGG_CTRL_C_SEEDS"] ?? 1) }, (_, i) => i);
const folder = fileFolder();

beforeAll(async () => {
  await fashionPictures(folder, { train: 160, test: 40 });
  await repvggJson(["train", "fashion-mnist-subset", "--epochs", "1", "--no-report", "--out", "model"], 0, folder);
});

const model = "model/model.safetensors";
const short = ["--batch-size", "16", "--epochs", "500"];

/** Every command that shows a bar, and a part of its work's length in seconds: Ctrl-C comes at a random moment of it. */
const commands: Record<string, { args: (out: string) => string[]; seconds: number; resumes?: string }> = {
  train: { args: (out) => ["train", "pictures", ...short, "--out", out], seconds: 3, resumes: "config.json" },
  quickstart: { args: (out) => ["quickstart", "--out", out], seconds: 4, resumes: "config.json" },
  ablate: {
    args: (out) => ["ablate", "pictures", "--variants", "acb:1", ...short, "--out", out],
    seconds: 5,
    resumes: "ablation.json",
  },
  eval: { args: () => ["eval", model, "fashion-mnist-subset"], seconds: 1.5 },
  data: { args: () => ["data", "fashion-mnist-subset"], seconds: 2 },
  "fold --recalibrate": {
    args: (out) => ["fold", model, "-o", `${out}.safetensors`, "--recalibrate", "fashion-mnist-subset"],
    seconds: 2.5,
  },
  "verify --data": { args: () => ["verify", model, "--data", "fashion-mnist-subset"], seconds: 2 },
  predict: { args: () => ["predict", model, "pictures/test/Bag/0.png"], seconds: 1 },
  bench: { args: () => ["bench", "nano", "--no-peers"], seconds: 3 },
  profile: { args: () => ["profile", "nano"], seconds: 2 },
};

let runs = 0;

describe.skipIf(noTerminal)(`Ctrl-C on a terminal${noTerminal ? ` (left out: ${noTerminal})` : ""}`, () => {
  describe.each(Object.entries(commands))("%s", (name, { args, seconds, resumes }) => {
    it.each(seeds)("ends at a random moment, and leaves the terminal as it was (seed %d)", async (seed) => {
      const moment = rngFor(seed, "ctrl-c", name);
      const out = `runs/${runs++}`;
      const ended = await onTerminal(args(out), folder, { delay: moment.uniform(0.3, seconds) });
      expect(ended, ended.output).toMatchObject({ hung: false, code: ended.pressed && ended.code !== 0 ? 130 : 0 });
      expect(terminalState(ended.output), JSON.stringify(ended.output)).toEqual({
        cursor: true,
        wrap: true,
        ownLine: true,
      });
      if (resumes && ended.output.includes("go on with")) expect(existsSync(join(folder, out, resumes))).toBe(true);
    });
  });

  it("ends a download, which goes on later", async () => {
    const weights = createServer((_, response) => {
      response.writeHead(200, { "content-length": 1e8, etag: '"1"' });
      const more = setInterval(() => response.write(Buffer.alloc(1e5)), 20);
      response.on("close", () => clearInterval(more));
    });
    await new Promise<void>((listening) => weights.listen(0, "127.0.0.1", listening));
    try {
      const { port } = weights.address() as AddressInfo;
      const ended = await onTerminal(["pull", `http://127.0.0.1:${port}/net.safetensors`], folder, { after: "MB/s" });
      expect(ended, ended.output).toMatchObject({ code: 130, hung: false, pressed: true });
      expect(ended.output).toMatch(/^stopped; the same command goes on where it stopped\r$/m);
      expect(terminalState(ended.output)).toEqual({ cursor: true, wrap: true, ownLine: true });
    } finally {
      weights.closeAllConnections();
      weights.close();
    }
  });

  it("between two epochs ends a training, which goes on to the same bits", async () => {
    const args = ["train", "pictures", "--batch-size", "16", "--epochs", "3", "--no-report", "--out"];
    const ended = await onTerminal([...args, "between"], folder, { after: "epoch 1: train loss" });
    expect(ended, ended.output).toMatchObject({ code: 130, hung: false, pressed: true });
    expect(ended.output).toMatch(/^stopping after this step \(again to stop at once\) …\r$/m);
    expect(ended.output).toMatch(/^stopped; go on with: repvgg train --resume between\r$/m);
    expect(ended.output).not.toContain("epoch 2 ");
    await repvggJson(["train", "--resume", "between"], 0, folder);
    await repvggJson([...args, "whole"], 0, folder);
    const [stopped, whole] = ["between", "whole"].map((out) => readFileSync(join(folder, out, "model.safetensors")));
    expect(stopped!.equals(whole!)).toBe(true);
  });

  it("a second time ends it at once", async () => {
    const ended = await onTerminal(["train", "pictures", ...short, "--out", "twice"], folder, {
      after: "epoch 1 ",
      presses: 2,
      between: 0.01,
      patience: 5,
    });
    expect(ended, ended.output).toMatchObject({ code: 130, hung: false, pressed: true });
    expect(terminalState(ended.output)).toEqual({ cursor: true, wrap: true, ownLine: true });
  });

  it("an error ends the bar's line too, and a bar fits a narrow terminal", async () => {
    const args = [
      "train",
      "pictures",
      ...short,
      "--learning-rate",
      "1e30",
      "--warmup-epochs",
      "0",
      "--out",
      "diverges",
    ];
    const ended = await onTerminal(args, folder, { presses: 0, columns: 50 });
    expect(ended.code, ended.output).toBe(1);
    expect(ended.output).toMatch(/^repvgg: expected a finite loss/m);
    const bars = ended.output
      .split("\r")
      .flatMap((part) => (part.startsWith("epoch 1 ") ? part.split("\x1b[K")[0]! : []));
    expect(bars.length).toBeGreaterThan(0);
    for (const bar of bars) expect(bar.length).toBeLessThan(50);
  });
});
