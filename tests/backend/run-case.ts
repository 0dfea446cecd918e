import { createHash } from "node:crypto";
import type { Backend, KernelCall, Pointer } from "#repvgg/backend/backend.js";
import { kernelEncodings } from "#repvgg/backend/kernels.generated.js";
import type { ExpectedOutput, KernelCase } from "./cases/case.js";

/** Words around each array that no kernel may touch; odd, so that arrays are aligned to 4 bytes and no better. */
const guard = 17;
const guardValue = 123_456.75;

/** Runs a case and gives its outputs by argument, bytes as so many numbers. @throws Error when memory outside an output was written. */
export function runCase(backend: Backend, kernelCase: KernelCase): Map<string, Float32Array> {
  const placed = new Map<string, { readonly block: Pointer; readonly words: number }>();
  const args: Record<string, number> = {};
  for (const [name, type] of kernelEncodings[kernelCase.kernel].args) {
    const contents = kernelCase.inputs[name] ?? kernelCase.outputs[name]?.before;
    if (contents === undefined) {
      if (type !== "ptr" && kernelCase.scalars[name] === undefined) throw new Error(`${name} is missing`);
      args[name] = kernelCase.scalars[name] ?? 0;
      continue;
    }
    const words = Math.ceil(contents.byteLength / 4);
    const block = backend.allocate(words + 2 * guard);
    backend.f32(block, words + 2 * guard).fill(guardValue);
    backend
      .u8(block + guard, contents.byteLength)
      .set(new Uint8Array(contents.buffer, contents.byteOffset, contents.byteLength));
    placed.set(name, { block, words });
    args[name] = block + guard + (kernelCase.offsets?.[name] ?? 0);
  }
  backend.run([{ kernel: kernelCase.kernel, args } as unknown as KernelCall]);
  const results = new Map<string, Float32Array>();
  for (const [name, { block, words }] of placed) {
    const all = backend.f32(block, words + 2 * guard).slice();
    const contents = all.subarray(guard, guard + words);
    const around = [...all.subarray(0, guard), ...all.subarray(guard + words)];
    if (around.some((value) => value !== guardValue)) throw new Error(`memory beside ${name} was overwritten`);
    const input = kernelCase.inputs[name];
    if (input === undefined) results.set(name, numbersOf(contents, kernelCase.outputs[name]!));
    else if (Buffer.compare(bytesOf(input), bytesOf(contents).subarray(0, input.byteLength)) !== 0)
      throw new Error(`input ${name} was overwritten`);
    backend.free(block);
  }
  return results;
}

function numbersOf(contents: Float32Array, { before }: ExpectedOutput): Float32Array {
  return before instanceof Uint8Array ? Float32Array.from(bytesOf(contents).subarray(0, before.length)) : contents;
}

/** What is wrong with an output, or undefined. */
export function difference(actual: Float32Array, expected: ExpectedOutput): string | undefined {
  if (actual.length !== expected.after.length) return `${actual.length} elements instead of ${expected.after.length}`;
  for (let i = 0; i < actual.length; i++) {
    const wanted = expected.after[i]!;
    if (Object.is(actual[i], wanted)) continue;
    const allowed = expected.relative * Math.abs(wanted) + expected.absolute * (expected.scale?.[i] ?? 1);
    if (!(Number.isFinite(wanted) && Math.abs(actual[i]! - wanted) <= allowed)) {
      return `element ${i} of ${actual.length}: ${actual[i]} instead of ${wanted} ± ${allowed}`;
    }
  }
  return undefined;
}

/** SHA-256 of arrays, every NaN being the same. */
export function hashOf(arrays: Iterable<Float32Array>): string {
  const hash = createHash("sha256");
  for (const array of arrays) hash.update(bytesOf(array.map((value) => (Number.isNaN(value) ? Number.NaN : value))));
  return hash.digest("hex");
}

export function bytesOf(array: Float32Array | Uint8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
