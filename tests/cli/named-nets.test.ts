import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { runCommand } from "#repvgg/cli/program.js";
import { loadModel, repvgg, saveModel } from "#repvgg/index.js";
import { variantNames } from "#repvgg/nn/zoo.js";
import { writeCnn } from "../exchange/plain-cnn.js";
import { freshModelFile, testFolder } from "./support.js";

/** Runs a command in this process, without its output. */
async function run(...args: readonly string[]): Promise<string> {
  let written = "";
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      written += String(text);
      return true;
    }),
  );
  try {
    await runCommand(args);
    return written;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Of every command that reads a net: its arguments. */
const readers = (net: string, folder: string): readonly (readonly string[])[] => [
  ["eval", net, folder],
  ["predict", net, join(folder, "x.png")],
  ["fold", net, "-o", join(folder, "out.pth")],
  ["export", net, "-o", join(folder, "out.pth")],
  ["verify", net],
  ["verify", join(folder, "train.safetensors"), net],
  ["train", "fashion-mnist-subset", "--from", net, "--out", join(folder, "run")],
];

describe("the name of a net in place of a file", () => {
  let folder = "";
  beforeEach(async () => {
    folder = testFolder();
    await freshModelFile(folder);
    // An empty cache, and nobody may be asked.
    const kept = { ...process.env };
    Object.assign(process.env, {
      HF_HOME: join(folder, "hub"),
      HF_HUB_CACHE: join(folder, "hub"),
      HF_ENDPOINT: "http://127.0.0.1:9",
    });
    onTestFinished(() => {
      process.env = kept;
    });
  });

  it("of the zoo: every command says that it has no weights, and how to get some", async () => {
    for (const args of readers("A0", folder)) {
      await expect(run(...args), args[0]).rejects.toThrow(
        /expected a net with weights, received A0, an architecture of the zoo, which has none: repvgg pull timm\/repvgg_a0\.rvgg_in1k/,
      );
    }
    for (const name of variantNames)
      await expect(run("verify", name), name).rejects.toThrow(/an architecture of the zoo/);
    for (const name of ["a0", "RepVGG-A0", "repvgg_a0"]) {
      await expect(run("verify", name)).rejects.toThrow(/repvgg pull timm\/repvgg_a0\.rvgg_in1k/);
    }
    await expect(run("verify", "L2pse")).rejects.toThrow(/repvgg train makes your own \(--model L2pse\)/);
  });

  it("of a hub that is not in the cache: every command says how to get it, and asks nobody", async () => {
    for (const args of [
      ...readers("timm/repvgg_a0.rvgg_in1k", folder),
      ["info", "timm/repvgg_a0.rvgg_in1k"],
      ["profile", "timm/repvgg_a0.rvgg_in1k"],
    ]) {
      await expect(run(...args), args[0]).rejects.toThrow(
        /received timm\/repvgg_a0\.rvgg_in1k, which is neither: repvgg pull timm\/repvgg_a0\.rvgg_in1k gets it/,
      );
    }
  });

  it("of a hub that is in the cache: it is loaded, with the classes and pictures of its config", async () => {
    const commit = "0123456789abcdef0123456789abcdef01234567";
    const repository = join(folder, "hub", "models--me--mine");
    mkdirSync(join(repository, "snapshots", commit), { recursive: true });
    mkdirSync(join(repository, "refs"), { recursive: true });
    writeFileSync(join(repository, "refs", "main"), commit);
    const weights = join(repository, "snapshots", commit, "model.safetensors");
    await saveModel(repvgg("nano", { classes: 2 }), weights, { scheme: "timm" });
    const config = { num_classes: 2, label_names: ["cat", "dog"], pretrained_cfg: { mean: [0.25] } };
    writeFileSync(join(repository, "snapshots", commit, "config.json"), JSON.stringify(config));
    await run("fold", "me/mine", "-o", join(folder, "folded.safetensors"));
    const { metadata, form } = await loadModel(join(folder, "folded.safetensors"));
    expect(form).toBe("plain");
    expect(metadata).toMatchObject({ classNames: ["cat", "dog"], preprocessing: { mean: [0.25] } });
    expect(metadata.provenance).toMatchObject({ repository: "me/mine", commit });
    expect(await run("verify", "me/mine")).toContain("top-1 differs on 0");
  });

  it("is a path where something of that name is there, and where it ends like a file", async () => {
    await expect(run("info", "runs/none.safetensors")).rejects.toThrow(/to read runs\/none\.safetensors/);
    await expect(run("info", join(folder, "none"))).rejects.toThrow(/expected to read/);
  });
});

describe("what cannot be made again", () => {
  const commands = (source: string, output: string): readonly (readonly string[])[] => [
    ["fold", source, "-o", output],
    ["export", source, "-o", output, "--form", "plain"],
    ["export", source, "-o", output, "--precision", "f16"],
  ];

  it("is not written over by itself, by any of its names", async () => {
    const folder = testFolder();
    const source = await freshModelFile(folder);
    const before = readFileSync(source);
    symlinkSync(source, join(folder, "soft.safetensors"));
    linkSync(source, join(folder, "hard.safetensors"));
    symlinkSync(folder, join(folder, "there"));
    for (const name of ["train", "soft", "hard", "there/train"]) {
      for (const args of commands(source, join(folder, `${name}.safetensors`))) {
        await expect(run(...args), args.join(" ")).rejects.toThrow(
          /an output beside the net that is read.*name another file, or give --force/,
        );
      }
    }
    expect(readFileSync(source).equals(before)).toBe(true);
    await run("fold", source, "-o", source, "--force");
    expect((await loadModel(source)).form).toBe("plain");
  });

  it("is not written over by another net, in any format; what can be made again is", async () => {
    const folder = testFolder();
    const source = await freshModelFile(folder);
    const other = repvgg("nano", { classNames: ["cat", "dog"], seed: 7 });
    for (const ending of ["safetensors", "pth", "onnx"]) {
      const output = join(folder, `other.${ending}`);
      await saveModel(other, output);
      const before = readFileSync(output);
      for (const args of commands(source, output)) {
        if (ending === "onnx" && args.includes("f16")) continue;
        await expect(run(...args), args.join(" ")).rejects.toThrow(
          /can be made again.*another net in training form.*--force/,
        );
      }
      expect(readFileSync(output).equals(before)).toBe(true);
      await run("fold", source, "-o", output, "--force");
      await run("fold", source, "-o", output); // plain now
    }
    for (const more of [[], ["--precision", "f16"], ["--scheme", "timm"]]) {
      const args = ["export", source, "-o", join(folder, `again${more.length}${more.at(-1) ?? ""}.pth`), ...more];
      await run(...args);
      await run(...args);
    }
  });

  it("is a stranger's graph with its BatchNorms too", async () => {
    const folder = testFolder();
    const [a, b] = [await writeCnn(join(folder, "a.onnx")), await writeCnn(join(folder, "b.onnx"), { classes: 7 })];
    await expect(run("fold", a, "-o", b)).rejects.toThrow(/another net in training form/);
    await expect(run("fold", a, "-o", a)).rejects.toThrow(/the net itself/);
    await run("fold", a, "-o", join(folder, "c.onnx"));
    await run("fold", a, "-o", join(folder, "c.onnx"));
  });

  it("damaged files and other kinds are written over as ever", async () => {
    const folder = testFolder();
    const source = await freshModelFile(folder);
    writeFileSync(join(folder, "out.pth"), "no net");
    await run("fold", source, "-o", join(folder, "out.pth"));
    expect((await loadModel(join(folder, "out.pth"))).form).toBe("plain");
  });
});
