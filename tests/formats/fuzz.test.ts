import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { type Rng, rngFor } from "#repvgg/core/rng.js";
import { inferArchitecture } from "#repvgg/exchange/names/infer-architecture.js";
import { toOfficial } from "#repvgg/exchange/names/schemes.js";
import { externalFiles, withExternalData } from "#repvgg/formats/onnx/external-data.js";
import { opsetVersion, readOnnx, writeOnnx } from "#repvgg/formats/onnx/model.js";
import { tensorToArray } from "#repvgg/formats/onnx/tensor.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { writeSafetensors } from "#repvgg/formats/safetensors/write.js";
import * as opcodes from "#repvgg/formats/torch/pickle-opcodes.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { findStateDict } from "#repvgg/formats/torch/state-dict.js";
import { oracle, torchFixture } from "./fixtures.js";
import { mutate } from "./mutate.js";
import { OutOfMemorySource } from "./out-of-memory-source.js";
import { pk, pth } from "./pickle-builder.js";
import { zipMembers } from "./zip-builder.js";

/** Inputs of all targets together; a long run sets FUZZ_INPUTS=1000000. */
const inputs = Number(process.env.FUZZ_INPUTS ?? 20_000);
const seed = Number(process.env.FUZZ_SEED ?? 1);
/** Most processor time that an input may take; FUZZ_SECONDS=1 asks for it. Not by default: other work on the machine must fail no test. */
const mostSeconds = Number(process.env.FUZZ_SECONDS ?? Number.POSITIVE_INFINITY);

interface Target {
  /** Share of the inputs. */
  readonly share: number;
  make(rng: Rng): Uint8Array;
  /** Reads the input and all that it promises. @returns bytes of the arrays that it gave */
  read(bytes: Uint8Array): number;
}

function size(arrays: Iterable<NamedArray>): number {
  let total = 0;
  for (const { data } of arrays) total += data.byteLength;
  return total;
}

function mutationOf(files: readonly Uint8Array[]): (rng: Rng) => Uint8Array {
  return (rng) => mutate(files[rng.int(files.length)]!, rng);
}

const safetensorsFiles = [
  writeSafetensors(
    new Map([
      ["a", f32([2, 3])],
      ["b.c", { dtype: "f16", shape: [5], data: new Uint16Array(5) }],
      ["n", { dtype: "i64", shape: [], data: BigInt64Array.of(7n) }],
    ]),
    { format: "pt", note: "ü\n" },
  ),
];

const readTorchWhole = (bytes: Uint8Array): number => size(findStateDict(readTorch(bytes)).arrays.values());

function readOnnxWhole(bytes: Uint8Array): number {
  const model = readOnnx(bytes);
  const far = readOnnx(new OutOfMemorySource(bytes)); // the same from a file that is not in memory
  expect(isDeepStrictEqual(far.graph?.node, model.graph!.node)).toBe(true);
  opsetVersion(model);
  externalFiles(model);
  const whole = withExternalData(model, () => new Uint8Array(64));
  expect(readOnnx(writeOnnx(whole)).graph!.node.length).toBe(whole.graph!.node.length);
  return size(whole.graph!.initializer.map(tensorToArray));
}

/** Opcodes at random, arguments included, with a bias to what builds something. */
function randomPickle(rng: Rng): Uint8Array {
  const all = Object.values(opcodes);
  const tensor = (): number[] =>
    pk.tensor(
      pk.storage("FloatStorage", String(rng.int(3)), rng.int(20)),
      rng.int(8),
      [rng.int(5), rng.int(5)],
      [rng.int(6), rng.int(3)],
    );
  const pieces: (() => number[])[] = [
    () => pk.emptyDict,
    () => pk.mark,
    () => [opcodes.SETITEMS],
    () => [opcodes.BINPUT, rng.int(4)],
    () => [opcodes.BINGET, rng.int(4)],
    () => pk.text(["model", "w", "state_dict", "module.x", "__proto__"][rng.int(5)]!),
    () => pk.int(rng.int(2 ** 32) >> rng.int(32)),
    () =>
      pk.global(
        ["collections", "torch", "torch._utils", "os"][rng.int(4)]!,
        ["OrderedDict", "Size", "system"][rng.int(3)]!,
      ),
    () => [opcodes.EMPTY_TUPLE, opcodes.REDUCE],
    tensor,
    () => pk.dict(["w", tensor()]),
    () => [all[rng.int(all.length)]!, ...Array.from({ length: rng.int(5) }, () => rng.int(256))],
  ];
  const body = Array.from({ length: 1 + rng.int(30) }, () => pieces[rng.int(pieces.length)]!()).flat();
  return pth(body, { "0": new Uint8Array(64), "1": new Uint8Array(7), "2": new Uint8Array(0) });
}

/** Fields at random, messages within messages. */
function randomProtobuf(rng: Rng): Uint8Array {
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const field = (depth: number): number[] => {
    const number = 1 + rng.int(16);
    switch (rng.int(depth > 0 ? 6 : 3)) {
      case 0:
        return [...varint(number << 3), ...varint(rng.int(2 ** 31) >> rng.int(31))];
      case 1:
        return [...varint((number << 3) | 5), 0, 0, rng.int(256), rng.int(256)];
      case 2: {
        const text = Array.from({ length: rng.int(8) }, () => rng.int(rng.int(8) ? 128 : 256));
        return [...varint((number << 3) | 2), text.length, ...text];
      }
      default: {
        const inner = message(depth - 1);
        return [
          ...varint(((rng.int(3) ? [7, 1, 5, 8, 6][rng.int(5)]! : number) << 3) | 2),
          ...varint(inner.length),
          ...inner,
        ];
      }
    }
  };
  const message = (depth: number): number[] => Array.from({ length: rng.int(5) }, () => field(depth)).flat();
  return Uint8Array.from([
    ...message(5),
    0x3a,
    ...((inner) => [...varint(inner.length), ...inner])(message(5)),
    0x42,
    2,
    0x10,
    17,
  ]);
}

/** JSON-like text at random as a header. */
function randomHeader(rng: Rng): Uint8Array {
  const words = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '"a"',
    '"dtype"',
    '"F32"',
    '"shape"',
    '"data_offsets"',
    "0",
    "4",
    "1e9",
    "-1",
    '"__metadata__"',
    " ",
    '"\\u00',
    "null",
  ];
  const entry = `"a":{"dtype":"F32","shape":[${rng.int(4)}],"data_offsets":[${rng.int(9)},${rng.int(17)}]}`;
  let text = "{";
  for (let i = rng.int(20); i > 0; i--) text += rng.int(4) === 0 ? entry : words[rng.int(words.length)]!;
  const json = new TextEncoder().encode(`${text}}`);
  const file = new Uint8Array(8 + json.length + 4 * rng.int(5));
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

const checkpointMembers = zipMembers(torchFixture("checkpoint-zip.pth"));
const checkpointPickle = checkpointMembers.find(([name]) => name.endsWith("/data.pkl"))![1];
const checkpointStorages = Object.fromEntries(
  checkpointMembers.filter(([name]) => name.includes("/data/")).map(([name, data]) => [name.split("/").at(-1)!, data]),
);

const targets: Record<string, Target> = {
  "safetensors, damaged": {
    share: 0.15,
    make: mutationOf(safetensorsFiles),
    read: (bytes) => size(readSafetensors(bytes).arrays.values()),
  },
  "safetensors, random headers": {
    share: 0.1,
    make: randomHeader,
    read: (bytes) => size(readSafetensors(bytes).arrays.values()),
  },
  "zip checkpoints, damaged": {
    share: 0.2,
    make: mutationOf(["checkpoint-zip.pth", "protocol5-zip.pth", "views-zip.pth", "module-zip.pth"].map(torchFixture)),
    read: readTorchWhole,
  },
  "legacy checkpoints, damaged": {
    share: 0.15,
    make: mutationOf(["checkpoint-legacy.pth", "protocol4-legacy.pth", "views-legacy.pth"].map(torchFixture)),
    read: readTorchWhole,
  },
  "pickles, damaged, in whole archives": {
    share: 0.1,
    make: (rng) => pth([...mutate(checkpointPickle, rng).subarray(2, -1)], checkpointStorages),
    read: readTorchWhole,
  },
  "pickles, random": { share: 0.1, make: randomPickle, read: readTorchWhole },
  "ONNX, damaged": { share: 0.1, make: mutationOf([oracle("block-mobileone-dw.onnx")]), read: readOnnxWhole },
  "ONNX, random messages": { share: 0.05, make: randomProtobuf, read: readOnnxWhole },
  "names and shapes, damaged": {
    share: 0.05,
    make: (rng) => mutate(namesFile, rng),
    read(bytes) {
      const arrays = readSafetensors(bytes).arrays;
      inferArchitecture(toOfficial(arrays).arrays);
      return size(arrays.values());
    },
  },
};

const namesFile = writeSafetensors(
  new Map<string, NamedArray>([
    ["stem.reparam_conv.weight", f32([1, 1, 3, 3])],
    ["stages.0.0.reparam_conv.weight", f32([1, 1, 3, 3])],
    ["stages.0.1.reparam_conv.weight", f32([1, 1, 3, 3])],
    ["stages.0.1.attn.fc1.weight", f32([1, 1, 1, 1])],
    ["head.fc.weight", f32([2, 1])],
  ]),
);

test.each(Object.entries(targets))(
  "%s: read, or refused with a named error",
  (name, { share, make, read }) => {
    let refused = 0;
    let slowest = 0;
    const count = Math.round(inputs * share);
    for (let i = 0; i < count; i++) {
      const bytes = make(rngFor(seed, "fuzz", name, i));
      const before = process.cpuUsage();
      try {
        const given = read(bytes);
        if (given > 2 * bytes.length + 2 ** 26) throw new Error(`${given} bytes from a file of ${bytes.length}`);
      } catch (error) {
        // `names` throws UserError, which FormatError is a kind of.
        if (!(error instanceof FormatError || error instanceof UserError)) {
          throw new Error(`input ${i} of seed ${seed}: ${(error as Error).stack}`, { cause: error });
        }
        if (/\n/.test(error.message) || error.message.length > 1000)
          throw new Error(`message of input ${i}: ${error.message}`);
        refused++;
      }
      const { user, system } = process.cpuUsage(before);
      slowest = Math.max(slowest, (user + system) / 1e6);
      if (slowest > mostSeconds) throw new Error(`input ${i} of seed ${seed} took ${slowest} s of processor time`);
    }
    if (Number.isFinite(mostSeconds))
      console.log(`${name}: the slowest of ${count} inputs took ${slowest.toFixed(3)} s`);
    expect(refused).toBeGreaterThan(count / 20); // inputs that are all read, or all refused at the first byte, test nothing
    expect(refused).toBeLessThan(count);
  },
  600_000 + inputs,
);
