import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadModel } from "#repvgg/index.js";
import { main, oneLine, repvgg, repvggJson } from "../cli/support.js";
import { fakeHub } from "./fake-hub.js";
import { environment, safetensors, testFolder, timmConfig, tiny } from "./support.js";

const repo = "timm/repvgg_mini.rvgg_in1k";
const published = { files: { "config.json": timmConfig(), "model.safetensors": safetensors(tiny()) }, license: "mit" };

test("repvgg pull writes a model file under the model's name", async () => {
  const hub = await fakeHub({ [repo]: published });
  environment({ HF_ENDPOINT: hub.url, HF_HOME: testFolder() });
  const folder = testFolder();
  const { code, stdout, stderr } = await repvgg(["pull", repo], { cwd: folder });
  expect([code, stderr.split("\n")]).toEqual([
    0,
    [
      expect.stringMatching(/^weights do not show strides/),
      expect.stringMatching(/^the weights do not say BatchNorm's ε/),
      "no class names are known: classes are numbers",
      "",
    ],
  ]);
  expect(stdout).toBe("repvgg_mini.rvgg_in1k.safetensors: RepVGG custom, train form, 10 classes, 32×48, licence mit\n");
  expect(readdirSync(folder)).toEqual(["repvgg_mini.rvgg_in1k.safetensors"]);
  expect((await loadModel(join(folder, "repvgg_mini.rvgg_in1k.safetensors"))).form).toBe("train");

  const asked = hub.seen.length;
  const output = join(folder, "b.safetensors");
  const result = await repvggJson(["pull", repo, "--offline", "-o", output]);
  expect(result).toMatchObject({ output, form: "train", provenance: { repository: repo, license: "mit" } });
  expect(hub.seen.length).toBe(asked);
});

test("a refusal is one line and leaves no file", async () => {
  const hub = await fakeHub({ [repo]: published });
  environment({ HF_ENDPOINT: hub.url, HF_HOME: testFolder() });
  const folder = testFolder();
  expect(await repvgg(["pull", repo, "--revision", "v9"], { cwd: folder })).toEqual(
    oneLine(`expected a revision of ${repo}, received "v9": see the branches and tags at ${hub.url}/${repo}/tree/main`),
  );
  expect(await repvgg(["pull", repo, "-o", "x.zip"], { cwd: folder })).toMatchObject({ code: 1, stdout: "" });
  expect(readdirSync(folder)).toEqual([]);
});

test("Ctrl-C stops it with 130, and the next one goes on", async () => {
  const hub = await fakeHub({ [repo]: published });
  environment({ HF_ENDPOINT: hub.url, HF_HOME: testFolder() });
  hub.faults.cut = { after: 1000, times: 1000 };
  const folder = testFolder();
  const child = spawn(process.execPath, [main, "pull", repo], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  while (hub.bodies().length < 2 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill("SIGINT");
  expect([await ended, stderr]).toEqual([130, "stopping …\nstopped; the same command goes on where it stopped\n"]);
  expect(readdirSync(folder)).toEqual([]);
  hub.faults.cut.times = 0;
  expect((await repvgg(["pull", repo], { cwd: folder })).code).toBe(0);
  expect(hub.bodies().at(-1)).toMatch(/^bytes=[1-9]\d{3}-/);
});
