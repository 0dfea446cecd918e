import { describe, expect, test } from "vitest";
import { FormatError } from "#repvgg/core/errors.js";
import { readOnnx } from "#repvgg/formats/onnx/model.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { findStateDict } from "#repvgg/formats/torch/state-dict.js";
import { oracle } from "./fixtures.js";
import { OutOfMemorySource } from "./out-of-memory-source.js";
import { zipOfPickle } from "./zip-builder.js";

const depth = 1_000_000;

/** `opcodes` `depth` times. */
function deep(...opcodes: number[]): Uint8Array {
  const bytes = new Uint8Array(depth * opcodes.length);
  for (let at = 0; at < bytes.length; at += opcodes.length) bytes.set(opcodes, at);
  return bytes;
}

const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];

describe("a million levels, one in another, end in a named error and not in the stack", () => {
  const text = [0x58, 5, 0, 0, 0, ...ascii("model")];
  test.each<[string, Uint8Array[]]>([
    ["tuples", [Uint8Array.of(0x29), deep(0x85)]],
    ["lists", [deep(0x5d), deep(0x61)]],
    ["dictionaries under a wrapper's key", [deep(0x7d, ...text), Uint8Array.of(0x4e), deep(0x73)]],
    ["marks", [deep(0x28), deep(0x74)]],
    ["objects with objects as state", [deep(0x63, ...ascii("a\nb\n"), 0x29, 0x81), deep(0x62)]],
  ])("a pickle of %s", (_, opcodes) => {
    const pickle = Buffer.concat([Uint8Array.of(0x80, 2), ...opcodes, Uint8Array.of(0x2e)]);
    expect(() => findStateDict(readTorch(zipOfPickle(pickle)))).toThrow(FormatError);
  });

  /** Messages in messages through these fields, innermost empty, around 0. */
  function nestedMessages(...fields: number[]): Uint8Array {
    const file = new Uint8Array(depth * 8);
    let at = file.length;
    const prepend = (value: number): void => {
      const varint = [value & 127];
      for (let rest = value >>> 7; rest > 0; rest >>>= 7) {
        varint[varint.length - 1]! |= 128;
        varint.push(rest & 127);
      }
      at -= varint.length;
      file.set(varint, at);
    };
    for (let level = depth - 1; level >= 0; level--) {
      prepend(file.length - at);
      prepend((fields[level % fields.length]! << 3) | 2);
    }
    return file.subarray(at);
  }

  test.each([
    ["graphs in attributes of nodes", [7, 1, 5, 6]],
    ["fields that we do not know", [99]],
    ["types of inputs", [7, 11, 2, 1]],
  ])("ONNX, %s", (_, fields) => {
    const file = nestedMessages(...fields);
    expect(() => readOnnx(file)).toThrow(FormatError);
    expect(() => readOnnx(new OutOfMemorySource(file))).toThrow(FormatError);
  });

  test.each(["[", '{"a":', '{"a":{"shape":[', '"\\u0061'])("safetensors, a header of %j", (piece) => {
    const json = new TextEncoder().encode(`{"a":${piece.repeat(depth)}`);
    const file = new Uint8Array(8 + json.length);
    new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
    file.set(json, 8);
    expect(() => readSafetensors(file)).toThrow(FormatError);
  });

  test("what surrounds them is read: the oracle is no such file", () => {
    expect(findStateDict(readTorch(oracle("tiny-train.pth"))).arrays.size).toBeGreaterThan(100);
  });
});
