import { describe, expect, it } from "vitest";
import { createProgram, runCommand } from "#repvgg/cli/program.js";
import { UserError } from "#repvgg/core/errors.js";
import { oneLine, repvgg } from "./support.js";

const commandNames = (await createProgram()).commands.map((command) => command.name()).join(", ");

describe("wrong command lines get one line", () => {
  const cases: [string, string][] = [
    ["trian pictures", `expected a command (${commandNames}), received "trian": did you mean train?`],
    ["help trian", `expected a command (${commandNames}), received "trian": did you mean train?`],
    ["help foo", `expected a command (${commandNames}), received "foo": see repvgg --help`],
    ["train pictures --epoks 3", "expected a known option, received --epoks: did you mean --epochs?"],
    ["--bogus", "expected a known option, received --bogus: see repvgg --help"],
    ["info --threads 2", "expected a known option, received --threads: see repvgg info --help"],
    [
      "train pictures --epochs zero",
      'expected --epochs to be a whole number ≥ 1, received "zero": see repvgg train --help',
    ],
    [
      "train pictures --epochs=-1",
      'expected --epochs to be a whole number ≥ 1, received "-1": see repvgg train --help',
    ],
    [
      "train pictures --momentum 1.5",
      'expected --momentum to be a number from 0 to below 1, received "1.5": see repvgg train --help',
    ],
    [
      "train pictures --hold-out 1",
      'expected --hold-out to be a number from 0 to below 1, received "1": see repvgg train --help',
    ],
    [
      "ablate pictures --learning-rate 0",
      'expected --learning-rate to be a number > 0, received "0": see repvgg ablate --help',
    ],
    [
      "train pictures --widths 16,x",
      'expected --widths to be whole numbers ≥ 1 with commas between, received "16,x": see repvgg train --help',
    ],
    [
      "train pictures --threads 1e9",
      'expected --threads to be a whole number from 1 to 64, received "1e9": see repvgg train --help',
    ],
    ["train pictures --optimizer sdg", 'expected --optimizer to be sgd or adamw, received "sdg": did you mean sgd?'],
    ["train pictures --epochs", "expected a value after --epochs, received nothing: see repvgg train --help"],
    [
      "bench nano --peers caffe",
      'expected peers of onnxruntime-node, onnxruntime-web, ncnn, pytorch, tfjs, received "caffe": name some of these, with commas between',
    ],
    [
      "bench nano --kernels cuda",
      'expected kernels of native, native-f16, wasm, wasm-relaxed, received "cuda": name some of these, with commas between',
    ],
    [
      "bench nano --picture times.gif",
      'expected --picture to end in .svg or .png, received "times.gif": end the name in one of these',
    ],
    ["train a b", "expected at most 1 argument, received 2: see repvgg train --help"],
    ["eval model.safetensors", "expected <data>, received nothing: see repvgg eval --help"],
    ["fold model.safetensors", "expected --output <file>, received nothing: see repvgg fold --help"],
    [
      "train pictures --from a.safetensors --depths 2",
      "expected only one of --from and --depths, received both: see repvgg train --help",
    ],
    [
      "train pictures --freeze 2",
      "expected --from beside --freeze, which is for nets that were trained before, received a fresh net: name the net to begin with, or leave the option out",
    ],
    [
      "train pictures --from a.safetensors --freeze most",
      'expected --freeze to be a whole number ≥ 0, or "all-but-head", received "most": see repvgg train --help',
    ],
    [
      "train pictures --from a.safetensors --layer-decay 1.5",
      'expected --layer-decay to be a number above 0, at most 1, received "1.5": see repvgg train --help',
    ],
    [
      "train pictures --from a.safetensors --batch-norm dead",
      'expected --batch-norm to be live or frozen, received "dead": see repvgg train --help',
    ],
    [
      "train",
      "expected data to train on, or --resume, received neither: for example: repvgg train fashion-mnist-subset",
    ],
    [
      "train pictures --resume runs/x --epochs 3 --seed 3",
      "expected a resumed run to keep its data and all settings but --epochs, received data, --seed: leave them out, or begin a new run",
    ],
    [
      "fold model.safetensors -o plain.txt",
      "expected a file name that ends in .safetensors, .pth, .pt, .onnx, received plain.txt: the ending chooses the format",
    ],
    [
      "info nanno",
      'expected a model name (A0, A1, A2, B0, B1, B1g2, B1g4, B2, B2g2, B2g4, B3, B3g2, B3g4, D2se, L2pse, nano, tiny), received "nanno": did you mean "nano"?',
    ],
  ];
  it.each(cases)("repvgg %s", async (line, message) => {
    const error = await runCommand(line.split(" ")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toBe(message);
  });

  it("on standard error, with exit code 1", async () => {
    expect(await repvgg(["train", "pictures", "--epoks", "3"])).toEqual(
      oneLine("expected a known option, received --epoks: did you mean --epochs?"),
    );
  });
});

describe.concurrent("help", () => {
  it("lists every command and the exit codes", async () => {
    const { code, stdout, stderr } = await repvgg(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of [
      "quickstart",
      "train",
      "eval",
      "fold",
      "verify",
      "export",
      "predict",
      "bench",
      "info",
      "data",
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} {2,}\\S`, "m"));
    }
    expect(stdout).toContain("2 verification failed");
  });

  it("of a command names its options in groups", async () => {
    const { code, stdout } = await repvgg(["train", "--help"]);
    expect(code).toBe(0);
    const headings = [...stdout.matchAll(/^(\w+):$/gm)].map((match) => match[1]);
    expect(headings).toEqual([
      "Arguments",
      "Run",
      "Net",
      "Training",
      "Data",
      "Process",
      "Output",
      "Options",
      "Examples",
    ]);
  });

  it("is no error where nothing is asked", async () => {
    expect((await repvgg([])).code).toBe(0);
    expect((await repvgg(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
