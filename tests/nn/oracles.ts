import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { NamedArray, NamedArrays } from "#repvgg/core/named-arrays.js";
import { toFloat64 } from "#repvgg/core/named-arrays.js";
import { readSafetensorsFile } from "#repvgg/formats/safetensors/file.node.js";
import { readTorchFile } from "#repvgg/formats/torch/file.node.js";
import type { Architecture, Form } from "#repvgg/nn/architecture.js";
import { architecture } from "#repvgg/nn/build-architecture.js";

const folder = fileURLToPath(new URL("../fixtures/oracles/", import.meta.url));

/** The nets of tests/fixtures/oracles (see its README and index.json), in our terms. */
export const oracleNets: Readonly<Record<string, Architecture>> = {
  tiny: net(0.125),
  "tiny-g4": net(0.125, { groups: { 2: 4, 4: 4, 6: 4 } }),
  "tiny-se": net(0.25, { squeezeExcite: { position: "before-relu", ratio: 16 } }),
  "tiny-plus": net(0.125, { family: "repvggplus", squeezeExcite: { position: "after-relu", ratio: 4 } }),
};

function net(multiplier: number, more = {}): Architecture {
  return architecture({
    depths: [1, 2, 4, 1],
    widthMultipliers: { a: multiplier, b: multiplier },
    classes: 10,
    ...more,
  });
}

/** What the authors' code saved. */
export async function oracleState(name: string, form: Form): Promise<NamedArrays> {
  return (await readTorchFile(`${folder}${name}-${form === "train" ? "train" : "deploy"}.pth`)).arrays;
}

export async function oracleArrays(file: string): Promise<NamedArrays> {
  return (await readSafetensorsFile(`${folder}${file}`)).arrays;
}

/** [N,C,H,W] → [N][H][W][C] */
export function toNhwc(array: NamedArray): { shape: [number, number, number, number]; data: Float32Array } {
  const [n, c, h, w] = array.shape as [number, number, number, number];
  const from = toFloat64(array);
  const data = new Float32Array(from.length);
  for (let i = 0; i < data.length; i++) {
    const channel = i % c;
    const pixel = Math.floor(i / c) % (h * w);
    const picture = Math.floor(i / (c * h * w));
    data[i] = from[(picture * c + channel) * h * w + pixel]!;
  }
  return { shape: [n, h, w, c], data };
}

/** Fails when two arrays differ by more than `tolerance` of the largest expected magnitude. */
export function expectRelative(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = "values",
): void {
  expect(actual.length, what).toBe(expected.length);
  let [largest, worst] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= worst)) worst = error;
  }
  expect(worst, `${what}, the largest ${largest}`).toBeLessThanOrEqual(tolerance * largest);
}
