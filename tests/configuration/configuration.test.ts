import { readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createProgram } from "#repvgg/cli/program.js";
import { type KnownOption, optionWords } from "#repvgg/configuration/option-words.js";
import { readConfiguration } from "#repvgg/configuration/read-configuration.node.js";
import { UserError } from "#repvgg/core/errors.js";
import { defineConfig, type TrainConfiguration } from "#repvgg/index.js";
import { repvgg } from "../cli/support.js";
import { pictureFolder, temporaryFolder } from "../data/pictures.js";

async function refusal(work: () => unknown): Promise<string> {
  let error: unknown;
  try {
    await work();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain("\n");
  return (error as Error).message;
}

const option = (name: string, more: Partial<KnownOption> = {}): KnownOption => ({
  ...{ name, flag: `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}` },
  ...{ takesValue: true, negated: false, conflicts: [] },
  ...more,
});

const whole = (text: string): number => {
  if (/^\d+$/.test(text)) return Number(text);
  throw new Error("a whole number ≥ 1");
};
const known = [
  option("batchSize", { parse: whole }),
  option("optimizer", { choices: ["sgd", "adamw"] }),
  option("depths"),
  option("customL2", { flag: "--custom-l2", takesValue: false }),
  option("report", { flag: "--no-report", takesValue: false, negated: true }),
  option("model"),
  option("from", { conflicts: ["model"] }),
];
const words = (configuration: object, given: string[] = []) =>
  optionWords(configuration as Record<string, unknown>, known, given, "c.json");

describe("a configuration as words", () => {
  test("says what flags would say", () => {
    expect(
      words({ data: "photos", "batch-size": 32, optimizer: "adamw", depths: [2, 4, 2], customL2: true, report: false }),
    ).toEqual({
      data: "photos",
      words: ["--batch-size=32", "--optimizer=adamw", "--depths=2,4,2", "--custom-l2", "--no-report"],
    });
    expect(words({ customL2: false, report: true, batchSize: undefined, model: "-x --y" })).toEqual({
      data: undefined,
      words: ["--model=-x --y"],
    });
  });

  test("gives way to flags that cannot stand beside it", () => {
    expect(words({ model: "A0", batchSize: 1 }, ["from"]).words).toEqual(["--batch-size=1"]);
    expect(words({ from: "x.pth" }, ["model"]).words).toEqual([]);
  });

  test.each([
    [{ batchsize: 1 }, /known options in c\.json, received "batchsize": did you mean "batchSize"\?/],
    [{ nonsense: 1 }, /there are data, batchSize, optimizer/],
    [JSON.parse('{"__proto__": 1}'), /received "__proto__"/],
    [{ batchSize: 1, "batch-size": 2 }, /each option once in c\.json, received "batchSize" and "batch-size"/],
    [{ batchSize: "many" }, /"batchSize" in c\.json to be a whole number ≥ 1, received "many"/],
    [{ batchSize: true }, /to be a text, a number or a list of them, received true/],
    [{ batchSize: null }, /received null/],
    [{ batchSize: { n: 1 } }, /received \{"n":1\}/],
    [{ batchSize: Number.NaN }, /to be a text, a number/],
    [{ depths: [] }, /received \[\]/],
    [{ depths: [[1]] }, /received \[\[1\]\]/],
    [{ optimizer: "adam" }, /to be sgd or adamw, received "adam": did you mean "adamw"\?/],
    [{ customL2: "yes" }, /"customL2" in c\.json to be true or false, received "yes"/],
    [{ data: 3 }, /"data" in c\.json to be a path or a known name/],
  ])("refuses %j", async (configuration, message) => {
    expect(await refusal(() => words(configuration))).toMatch(message);
  });
});

describe("a configuration file", () => {
  test("is JSON, JavaScript, or TypeScript where Node reads it", async () => {
    const folder = temporaryFolder({
      "a.json": '\uFEFF{ "epochs": 3 }',
      "b.mjs": "export default { epochs: 1 + 2 };",
      "c.js": "module.exports = { epochs: 3 };",
      "d.ts": "interface C { epochs: number }\nexport default { epochs: 3 } satisfies C;",
    });
    for (const name of ["a.json", "b.mjs", "c.js"]) {
      expect(await readConfiguration(join(folder, name))).toMatchObject({ epochs: 3 });
    }
    // Vitest would read it itself; Node is what users have.
    const module = new URL("../../dist/configuration/read-configuration.node.js", import.meta.url).href;
    const { execFileSync } = await import("node:child_process");
    const script = `const { readConfiguration } = await import(${JSON.stringify(module)});
      console.log(await readConfiguration(${JSON.stringify(join(folder, "d.ts"))}).then(JSON.stringify, (e) => e.name + ": " + e.message));`;
    const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    const reads = (process.features as { typescript?: unknown }).typescript;
    expect(said).toMatch(
      reads ? /^\{"epochs":3\}/ : /^UserError: expected Node 22\.18 or later to read .*d\.ts, received Node/,
    );
  });

  test.each([
    [
      "comments.json",
      '{\n  // how long\n  "epochs": 3 /* passes */\n}',
      /received JSON with comments: take them out, or name the file \.js/,
    ],
    ["commas.json", '{ "epochs": 3, }', /JSON with comments or commas at ends/],
    ["url.json", '{ "data": "http://x", "epochs": }', /JSON in .*, received Unexpected token/],
    ["list.json", "[1]", /options by their names in .*, received a list/],
    ["null.json", "null", /received object/],
    ["none.mjs", "export const epochs = 3;", /the default export of .*, received nothing/],
    [
      "throws.mjs",
      "throw new TypeError('no');",
      /to give a configuration as its default export, received TypeError: no/,
    ],
    ["syntax.mjs", "export default {", /received SyntaxError/],
    ["lacks.mjs", "import 'not-there-at-all';", /Cannot find package/],
    ["c.yaml", "epochs: 3", /a configuration file named \.json, \.js or \.ts, received/],
  ])("refuses %s in one line", async (name, text, message) => {
    const folder = temporaryFolder({ [name]: text });
    expect(await refusal(() => readConfiguration(join(folder, name)))).toMatch(message);
  });

  test("of any size is refused by it; one that is not there is named; a program's run has no options", async () => {
    const folder = temporaryFolder({
      "big.json": "{}",
      "config.json": '{ "model": {}, "data": null, "config": {}, "arithmetic": "wasm" }',
    });
    truncateSync(join(folder, "big.json"), 2 ** 30);
    expect(await refusal(() => readConfiguration(join(folder, "big.json")))).toMatch(/at most 16777216 bytes/);
    expect(await refusal(() => readConfiguration(join(folder, "no.json")))).toMatch(/no such file/);
    expect(await refusal(() => readConfiguration(join(folder, "config.json")))).toMatch(/without the options/);
  });

  test("may hold every option of train that is typed, and the types hold every option", async () => {
    const train = (await createProgram(["train"])).commands.find((command) => command.name() === "train")!;
    const typed: Record<keyof TrainConfiguration, true> = {
      ...{ data: true, out: true, model: true, depths: true, widths: true, strides: true, groups: true, size: true },
      ...{ block: true, pointwise: true, identity: true, from: true, batchNormEpsilon: true, freeze: true },
      ...{ batchNorm: true, backboneRate: true, layerDecay: true, epochs: true, batchSize: true, accumulate: true },
      ...{
        balance: true,
        balanceStrength: true,
        optimizer: true,
        learningRate: true,
        warmupEpochs: true,
        momentum: true,
        weightDecay: true,
      },
      ...{ labelSmoothing: true, mixup: true, cutmix: true, ema: true, customL2: true, seed: true },
      ...{ augmentation: true, erasing: true, holdOut: true, strict: true, pathColumn: true, labelColumn: true },
      ...{
        splitColumn: true,
        validation: true,
        choose: true,
        patience: true,
        threads: true,
        kernels: true,
        workers: true,
        checkpointSeconds: true,
        report: true,
      },
      ...{ json: true, quiet: true },
    };
    const options = train.options.map((one) => one.attributeName());
    // What is one command and no setting of a training.
    const notInFiles = ["config", "resume", "preview", "findLr", "folds"];
    expect(Object.keys(typed).sort()).toEqual(["data", ...options.filter((name) => !notInFiles.includes(name))].sort());
    const config: TrainConfiguration = defineConfig({ epochs: 3, widths: [8, 8] });
    expect(config).toEqual({ epochs: 3, widths: [8, 8] });
  });
});

describe("repvgg train --config", () => {
  test("repeats a run by its config.json bit for bit; flags win", async () => {
    const cwd = temporaryFolder();
    const data = await pictureFolder(12);
    const flags = ["--depths", "1,1,1,1", "--widths", "8,8,8,8,8", "--epochs", "2", "--no-report", "--threads", "1"];
    const first = await repvgg(["train", data, ...flags, "--label-smoothing", "0.1", "--seed", "4", "--out", "first"], {
      cwd,
    });
    expect(first.stderr + first.code).toMatch(/0$/);
    const again = await repvgg(["train", "--config", "first/config.json", "--out", "again"], { cwd });
    expect(again.stderr + again.code).toMatch(/0$/);
    const bytes = (run: string): Buffer => readFileSync(join(cwd, run, "model.safetensors"));
    expect(bytes("again").equals(bytes("first"))).toBe(true);
    const read = (run: string) => JSON.parse(readFileSync(join(cwd, run, "config.json"), "utf8"));
    expect(read("again").config).toEqual(read("first").config);
    expect(read("first").options).toMatchObject({ data, epochs: 2, labelSmoothing: 0.1, seed: 4, report: false });
    // Again the same from its own, which has what was chosen too.
    expect(read("again").options).toEqual(read("first").options);
    const other = await repvgg(["train", "--epochs=1", "--config=first/config.json", "--out=other"], { cwd });
    expect(other.code).toBe(0);
    expect(read("other").config).toEqual({ ...read("first").config, epochs: 1 });
  });

  test("is refused in one line where it is wrong, and no file is read unasked", async () => {
    const cwd = temporaryFolder({
      "repvgg.config.json": '{ "epoch": 1 }',
      "conflict.json": '{ "resume": "runs/x" }',
    });
    const wrong = await repvgg(["train", "x", "--config", "repvgg.config.json"], { cwd });
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/"epoch": did you mean "epochs"\?\n$/) });
    const resumed = await repvgg(["train", "x", "--config", "conflict.json"], { cwd });
    expect(resumed.stderr).toMatch(/known options in conflict\.json, received "resume"/);
    const missing = await repvgg(["train", "x", "--config"], { cwd });
    expect(missing.stderr).toMatch(/a value after --config/);
    const unasked = await repvgg(["train", "nowhere"], { cwd });
    expect(unasked.stderr).toMatch(/nowhere/);
  });
});
