import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { foldNet } from "#repvgg/exchange/fold-net.js";
import { type FileLoadOptions, loadNet } from "#repvgg/exchange/load-net.node.js";
import { saveNet } from "#repvgg/exchange/save-net.node.js";
import { fileFolder, outputOf, relativeError, runOnnx } from "./support.js";

export const folder = fileFolder();
export const file = (name: string): string => join(folder, name);
export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/checkpoints/${name}`, import.meta.url));
export const json = (name: string) => JSON.parse(readFileSync(fixture(name), "utf8"));

export const own = json("index.json") as {
  input: number[];
  shape: number[];
  outputs: Record<string, Record<string, { shape: number[]; values: number[] }>>;
};
export const cases = json("cases/index.json") as {
  shape: number[];
  inputs: number[][];
  outputs: Record<string, { input: number; output: number[] }>;
};

/** The input of a fixture and what PyTorch gave for it. */
export function oracle(name: string, key = ""): { input: NamedArray; output: number[] } {
  const ofCase = cases.outputs[name.replace("cases/", "")];
  if (name.startsWith("cases/")) {
    return { input: f32(cases.shape, Float32Array.from(cases.inputs[ofCase!.input]!)), output: ofCase!.output };
  }
  return { input: f32(own.shape, Float32Array.from(own.input)), output: own.outputs[name]![key]!.values };
}

export async function message(work: Promise<unknown>): Promise<string> {
  const error = (await work.then(
    () => new Error("nothing was thrown"),
    (thrown: unknown) => thrown,
  )) as Error;
  expect(error.name).toMatch(/^(User|Format)Error$/);
  expect(error.message).not.toMatch(/\n|toOfficial|undefined/);
  return error.message;
}

/** Reads, runs, folds and runs again, as a graph, in a .pth and in ONNX Runtime. */
export async function expectRight(
  name: string,
  options: FileLoadOptions = {},
  key = "",
): Promise<Awaited<ReturnType<typeof loadNet>>> {
  const { input, output } = oracle(name, key);
  const net = await loadNet(fixture(name), options);
  expect(relativeError(outputOf(net.graph, input), output), "as it is").toBeLessThan(1e-5);
  const { net: folded } = foldNet(net);
  expect(folded.graph.nodes.filter(({ op }) => op === "BatchNormalization")).toEqual([]);
  expect(relativeError(outputOf(folded.graph, input), output), "folded").toBeLessThan(1e-5);
  const stem = name.replace(/\W/g, "-");
  await saveNet(folded, file(`${stem}.pth`));
  const strides = { strides: net.model?.architecture.strides ?? [2, name.startsWith("mobileone") ? 1 : 2] };
  const back = await loadNet(file(`${stem}.pth`), { ...strides });
  expect(back.source.form).toBe("plain");
  expect(relativeError(outputOf(back.graph, input), output), "folded, out of a .pth").toBeLessThan(1e-5);
  await saveNet(folded, file(`${stem}.onnx`));
  const [first] = Object.values(await runOnnx(file(`${stem}.onnx`), input));
  expect(relativeError(first!.data, output), "in ONNX Runtime").toBeLessThan(1e-4);
  return net;
}
