import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, loadNet, netOf, repvgg, saveNet, UserError } from "#repvgg/index.js";

const model = repvgg("nano", { inputSize: 16, inputChannels: 3, classes: 3, seed: 1 });
const endings = ["safetensors", "pth", "onnx"];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "repvgg-net-bytes-"));
  for (const ending of endings) await saveNet(netOf(model), join(folder, `net.${ending}`));
  await rm(join(folder, "net.json")); // what lies beside a file, its bytes do not know
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(endings)("the bytes of a .%s file", (ending) => {
  it("give the net that its path gives", async () => {
    const path = join(folder, `net.${ending}`);
    const bytes = await readFile(path);
    const expected = await loadNet(path);
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    const copy = Uint8Array.from(bytes);
    for (const source of [bytes, copy, copy.buffer, shared, new Blob([copy]), pathToFileURL(path)]) {
      const net = await loadNet(source, { name: path });
      expect(net.source).toEqual(expected.source);
      expect([...net.graph.initializers.keys()]).toEqual([...expected.graph.initializers.keys()]);
      for (const [name, array] of expected.graph.initializers) {
        expect([...net.graph.initializers.get(name)!.data]).toEqual([...array.data]);
      }
      if (ending !== "onnx") expect((await loadModel(source)).metadata).toEqual(expected.model!.metadata);
    }
  });

  it("that are damaged are errors that name the file, or say that it has no name", async () => {
    const bytes = (await readFile(join(folder, `net.${ending}`))).subarray(0, 50);
    await expect(loadNet(bytes, { name: "half.bin" })).rejects.toThrow(/half\.bin/);
    await expect(loadNet(bytes)).rejects.toThrow(/the file/);
    await expect(loadNet(bytes)).rejects.toBeInstanceOf(UserError);
  });
});

it.each<[string, unknown, string]>([
  ["undefined", undefined, "received Undefined"],
  ["a number", 5, "received Number"],
  ["an array", [1, 2], "received Array"],
  ["floats", new Float32Array(4), "received Float32Array"],
  ["an address", new URL("https://example.org/net.onnx?token=x"), "fetch it"],
  ["no bytes", new Uint8Array(), "the file"],
  ["a missing file's URL", pathToFileURL("/absent/net.onnx"), "/absent/net.onnx"],
])("what is no file is an error of one line: %s", async (_, source, message) => {
  for (const load of [loadNet, loadModel]) {
    const error = await load(source as string).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message.length).toBeLessThan(300);
  }
});
