import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import type { CrossValidation, Evaluation, RateTest } from "#repvgg/index.js";
import { writePictures } from "../../scripts/fashion-pictures.mjs";
import { fileFolder, oneLine, repvgg, repvggJson } from "./support.js";

const cwd = fileFolder();
/** Ten classes, half of them with 8 pictures and half with 2. */
const photos = join("pictures", "train");
const net = ["--depths", "1,1", "--widths", "8,8,16", "--strides", "2,2,2", "--threads", "1", "--no-report"];

beforeAll(async () => {
  await writePictures(join(cwd, "pictures"), { train: 80, test: 10 });
  for (const [c, name] of readdirSync(join(cwd, photos)).sort().entries()) {
    if (c % 2 === 1) for (let i = 2; i < 8; i++) rmSync(join(cwd, photos, name, `${i}.png`));
  }
});

it("train --folds goes on after a kill as if nothing had happened, and its settings are in the folder", async () => {
  const asked = ["train", photos, ...net, "--folds", "2", "--epochs", "2"];
  type Told = { crossValidation: CrossValidation; interrupted: boolean };
  const whole = await repvggJson<Told>([...asked, "--out", "whole"], 0, cwd);
  expect(whole.crossValidation.pooled.images).toBe(50);
  let killed = false;
  const cut = await repvgg([...asked, "--out", "cut"], {
    cwd,
    onStderr: (text, kill) => {
      if (killed || !/fold 2 of 2[\s\S]*epoch 1:/.test(text)) return;
      killed = true;
      kill("SIGKILL");
    },
  });
  expect([cut.code, killed]).toEqual([null, true]);
  expect(cut.stderr).toMatch(/50 pictures in 2 folds/);
  expect(cut.stderr).toMatch(/chosen for 50 pictures .*--balance logits \(each/);
  expect(cut.stderr).toContain("the loss makes up for it by adjusted logits (--balance)");
  const resumed = await repvgg(["train", "--resume", "cut", "--threads", "1", "--no-report"], { cwd });
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stderr).not.toMatch(/^fold 1/m);
  expect(resumed.stdout).toContain("every picture judged by a net that did not see it");
  const bits = (run: string) => readFileSync(join(cwd, run, "model.safetensors"));
  for (const run of ["fold-1", "fold-2", "."])
    expect(bits(join("cut", run)).equals(bits(join("whole", run)))).toBe(true);
  const found = (run: string) => readFileSync(join(cwd, run, "cross-validation.json"), "utf8");
  expect(found("cut")).toBe(found("whole"));
  const config = JSON.parse(readFileSync(join(cwd, "whole", "config.json"), "utf8")).config;
  expect(config).toMatchObject({ balance: "logits", balanceStrength: 1 });
  expect(await repvgg([...asked, "--out", "whole"], { cwd })).toEqual(
    oneLine(
      "expected a new folder for the run, received whole, which holds a run: go on with it by --resume, or name another folder by --out",
    ),
  );

  const file = join("whole", "model.safetensors");
  const plain = await repvggJson<Evaluation>(["eval", file, photos, "--split", "all"], 0, cwd);
  const both = await repvggJson<Evaluation>(["eval", file, photos, "--split", "all", "--flips"], 0, cwd);
  const recalls = plain.perClass.map(({ recall }) => recall);
  expect(plain.balancedAccuracy).toBeCloseTo(recalls.reduce((a, b) => a + b) / 10, 12);
  expect(both.loss).not.toBe(plain.loss);
  expect((await repvgg(["eval", file, photos, "--split", "all"], { cwd })).stdout).toMatch(
    /on 50 pictures: top-1 \d+\.\d\d %, balanced accuracy \d+\.\d\d %, top-5/,
  );
});

it("train --find-lr draws and suggests, and trains nothing", async () => {
  const asked = ["train", photos, ...net, "--find-lr", "--out", "rates"];
  const test = await repvggJson<RateTest & { files: string[] }>(asked, 0, cwd);
  expect(test.steps.length).toBeGreaterThan(50);
  expect(test.suggestion).toBe(Number((test.lowest! / 10).toPrecision(2)));
  expect(readdirSync(join(cwd, "rates")).sort()).toEqual(["learning-rate.png", "learning-rate.svg"]);
  expect(readFileSync(join(cwd, "rates", "learning-rate.svg"), "utf8")).toContain("RepVGG");
});

it.each([
  [["--find-lr", "--folds", "2"], "only one of --find-lr and --folds"],
  [["--find-lr", "--learning-rate", "1"], "only one of --find-lr and --learning-rate"],
  [["--find-lr", "--resume", "x"], "only one of --find-lr and --resume"],
  [["--folds", "2", "--hold-out", "0.1"], "only one of --folds and --hold-out"],
  [["--folds", "1"], "--folds"],
  [["--folds", "51"], "a number of folds from 2 to 50"],
  [["--balance", "sampling"], "none or logits or weights"],
  [["--balance-strength", "0"], "a number above 0, at most 2"],
  [["--folds", "2", "--resume", "x"], "a resumed run to keep its data and all settings but --epochs"],
])("refuses %j", async (options, message) => {
  const data = options.includes("--resume") ? [] : [photos];
  const { code, stderr, stdout } = await repvgg(["train", ...data, ...options], { cwd });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(message);
  expect(stderr.trim().split("\n").at(-1)).toMatch(/^repvgg: expected .*, received .*: ./);
});
