import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import type { NamedArrays } from "#repvgg/core/named-arrays.js";
import { readSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import {
  fashionPictures,
  fileFolder,
  freshModelFile,
  main,
  oneLine,
  repvgg,
  repvggJson,
  testFolder,
} from "./support.js";

const folder = fileFolder();
let pictures: string;

beforeAll(async () => {
  pictures = await fashionPictures(folder, { train: 80, test: 20 });
});

const training = (out: string): string[] => ["train", pictures, "--batch-size", "16", "--threads", "1", "--out", out];

function allFinite(arrays: NamedArrays): boolean {
  return [...arrays.values()].every(({ data }) => !(data instanceof Float32Array) || data.every(Number.isFinite));
}

describe("a loss that is not finite", () => {
  it("stops the training, says at which step, and leaves the last good checkpoint", async () => {
    const out = join(testFolder(), "run");
    const args = ["--learning-rate", "1e30", "--warmup-epochs", "0", "--checkpoint-seconds", "0", "--quiet"];
    const { code, stdout, stderr } = await repvgg([...training(out), ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const [, step] =
      /^repvgg: expected a finite loss and finite weights, received .* at step (\d+) of the run, in epoch 1: lower the learning rate .*\n$/.exec(
        stderr,
      ) ?? [];
    const { arrays, metadata } = await readSafetensorsFile(join(out, "last.safetensors"));
    expect(JSON.parse(metadata["position"]!).step).toBe(Number(step) - 1);
    expect(allFinite(arrays)).toBe(true);
    expect(existsSync(join(out, "model.safetensors"))).toBe(false);
  });
});

describe("Ctrl-C", () => {
  it("leaves a run that can be resumed to the same bits, exit code 130", async () => {
    const root = testFolder();
    const [stopped, whole] = [join(root, "stopped"), join(root, "whole")];
    const args = ["--epochs", "3"];
    const { code, stdout, stderr } = await repvgg([...training(stopped), ...args], {
      onStderr: (text, kill) => {
        if (text.includes("epoch 1:") && !text.includes("stopping")) kill("SIGINT");
      },
    });
    expect(code).toBe(130);
    expect(stderr).toContain("stopping after this step");
    expect(stdout).toBe(`stopped; go on with: repvgg train --resume ${stopped}\n`);
    expect(existsSync(join(stopped, "model.safetensors"))).toBe(false);

    const resumed = await repvggJson(["train", "--resume", stopped]);
    const uninterrupted = await repvggJson([...training(whole), ...args]);
    expect(resumed).toEqual({ ...uninterrupted, out: stopped, report: join(stopped, "report.html") });
    expect(
      readFileSync(join(stopped, "model.safetensors")).equals(readFileSync(join(whole, "model.safetensors"))),
    ).toBe(true);
  });
});

describe("a full disk", () => {
  it.skipIf(!existsSync("/dev/full"))("is told in one line, whichever file it hits", async () => {
    const root = testFolder();
    const model = await freshModelFile(root);
    const full = join(root, "full.safetensors");
    symlinkSync("/dev/full", full);
    expect(await repvgg(["fold", model, "-o", full, "--no-verify", "--quiet"])).toEqual(
      oneLine(`expected to write ${full}, received a full disk: free some disk space, or write to another disk`),
    );
    for (const name of ["initial.safetensors", "best.safetensors", "model.safetensors"]) {
      const out = join(root, name.replace(/\..*/, ""));
      mkdirSync(out);
      symlinkSync("/dev/full", join(out, name));
      const args = ["--epochs", "1", "--validation", "0.2", "--quiet"];
      expect(await repvgg([...training(out), ...args]), name).toEqual(
        oneLine(
          `expected to write ${join(out, name)}, received a full disk: free some disk space, or write to another disk`,
        ),
      );
    }
  });

  it.skipIf(!mayMount())("stops a run that can be resumed when there is room again", async () => {
    const root = testFolder();
    const disk = join(root, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]); // initial.safetensors fits, a checkpoint not
    try {
      const out = join(disk, "run");
      const ended = await repvgg([...training(out), "--epochs", "1", "--quiet"]);
      expect(ended).toMatchObject({ code: 1, stdout: "" });
      expect(ended.stderr).toMatch(
        /^repvgg: expected to write \S+, received a full disk: free some disk space, or write to another disk\n$/,
      );
      expect(readdirSync(out).filter((name) => name.endsWith(".tmp"))).toEqual([]);
      execFileSync("mount", ["-o", "remount,size=20m", disk]);
      const resumed = await repvggJson(["train", "--resume", out]);
      const whole = await repvggJson([...training(join(root, "whole")), "--epochs", "1"]);
      expect(resumed).toEqual({ ...whole, out, report: join(out, "report.html") });
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});

function mayMount(): boolean {
  const probe = spawnSync("unshare", ["-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"], { stdio: "ignore" });
  return probe.status === 0;
}

describe("SIGKILL at random moments", () => {
  it("and resume end with the same bits, on 1 and on 2 threads", () => {
    const script = fileURLToPath(new URL("../../scripts/kill-and-resume.mjs", import.meta.url));
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [script, "--kills", "2", "--pictures", "100", "--epochs", "2", "--seed", "3"],
      { encoding: "utf8" },
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("uninterrupted on 2 threads: same bits");
    expect(stdout).toMatch(/^2 kills in \d+ runs: every run ended with the same bits$/m);
    expect(status).toBe(0);
  });
});

describe("a closed pipe", () => {
  it("ends the command without a word", () => {
    const { stdout, stderr } = spawnSync("sh", ["-c", `"${process.execPath}" "${main}" info B3 | head -n 1`], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout).toBe("B3 at 224×224: 123,085,288 parameters in training form, 110,960,872 plain\n");
  });
});
