import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { bytesPerElement, type DType, elementCount, type NamedArray, toFloat64 } from "#repvgg/core/named-arrays.js";
import { arrayFromBytes, bytesOfArray } from "#repvgg/formats/array-bytes.js";
import { FileSource } from "#repvgg/formats/file-source.node.js";
import { crc32 } from "#repvgg/formats/torch/crc32.js";
import { readTorchFile, writeTorchFile } from "#repvgg/formats/torch/file.node.js";
import { PickleGlobal, type PickleObject } from "#repvgg/formats/torch/pickle-values.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { findStateDict } from "#repvgg/formats/torch/state-dict.js";
import { writeTorch } from "#repvgg/formats/torch/write.js";
import { oracle, torchFixture, torchPath } from "./fixtures.js";
import { pk, pth } from "./pickle-builder.js";

interface Expected {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const index = JSON.parse(new TextDecoder().decode(torchFixture("index.json"))) as Record<
  string,
  Record<string, Expected>
>;

/** f16 and bf16 stay bit patterns, as in the index. */
function plain({ dtype, shape, data }: NamedArray): Expected {
  return { dtype, shape: [...shape], values: Array.from(data, Number) };
}

describe("files that PyTorch wrote", () => {
  test.each(Object.keys(index))("%s: every tensor, bit by bit", (file) => {
    const { arrays } = findStateDict(readTorch(torchFixture(file)));
    expect(Object.fromEntries([...arrays].map(([name, array]) => [name, plain(array)]))).toEqual(index[file]);
    expect([...arrays.keys()]).toEqual(Object.keys(index[file]!));
  });

  test("dense tensors of a zip checkpoint are views of the file", () => {
    const file = oracle("tiny-train.pth");
    const { arrays } = findStateDict(readTorch(file));
    expect(arrays.size).toBe(130);
    for (const { data } of arrays.values()) expect(data.buffer).toBe(file.buffer);
  });

  test("the legacy oracle: DataParallel names under `model`, the same weights as the zip one", () => {
    const legacy = findStateDict(readTorch(oracle("tiny-ddp-legacy.pth")));
    const zip = findStateDict(readTorch(oracle("tiny-train.pth")));
    expect(legacy.chosen).toBe("model");
    expect(legacy.prefixes).toEqual(["module."]);
    expect([...legacy.arrays].map(([name, array]) => [name, plain(array)])).toEqual(
      [...zip.arrays].map(([name, array]) => [name, plain(array)]),
    );
  });

  test("the float16 oracle is the float32 one, rounded", () => {
    const half = findStateDict(readTorch(oracle("tiny-half.pth")));
    const full = findStateDict(readTorch(oracle("tiny-train.pth"))).arrays;
    expect(half.chosen).toBe("state_dict");
    for (const [name, array] of half.arrays) {
      expect(array.dtype).toBe("f16");
      const exact = toFloat64(full.get(name)!);
      const rounded = (value: number, i: number): boolean =>
        Math.abs(value - exact[i]!) <= Math.abs(exact[i]!) * 2 ** -11 + 2 ** -25;
      expect(toFloat64(array).every(rounded)).toBe(true);
    }
  });

  test("what surrounds the weights comes as plain data; unknown classes stay inert", () => {
    for (const file of ["checkpoint-zip.pth", "protocol4-legacy.pth", "protocol5-zip.pth"]) {
      const root = readTorch(torchFixture(file)) as Map<string, unknown>;
      expect(root.get("epoch")).toBe(7);
      expect(root.get("best_acc")).toBe(72.41);
      expect(root.get("count")).toBe(2 ** 40);
      expect(root.get("big")).toBe(2n ** 100n);
      expect(root.get("history")).toEqual(new Map([["loss", [2.3, Number.POSITIVE_INFINITY, -1.5]]]));
      expect(root.get("size")).toEqual([1, 2]);
      expect(root.get("flags")).toEqual(new Set(["x", "y"]));
      expect(root.get("raw")).toEqual(Uint8Array.of(0, 255, ...new TextEncoder().encode("bytes")));
      expect(root.get("nothing")).toBeNull();
      expect(root.get("dtype")).toEqual(new PickleGlobal("torch.float32"));
      const args = root.get("args") as PickleObject;
      expect(args.global).toBe("argparse.Namespace");
      expect((args.state as Map<string, unknown>).get("milestones")).toEqual([30, 60]);
      expect((args.state as Map<string, PickleObject>).get("path")!.global).toBe("pathlib.PurePosixPath");
    }
  });

  test("the average beside the weights is named, and read when asked for", () => {
    const root = readTorch(torchFixture("checkpoint-zip.pth"));
    const weights = findStateDict(root);
    expect(weights.chosen).toBe("state_dict");
    expect(weights.alternatives).toEqual(["model_ema.ema"]);
    const average = findStateDict(root, { path: "model_ema.ema" });
    expect([...average.arrays.keys()]).toEqual(["a.weight"]);
    expect(() => findStateDict(root, { path: "ema" })).toThrow(/"state_dict", "model_ema.ema".*received "ema"/);
  });

  test.each([
    ["complex.pth", /ComplexFloatStorage.*"w".*float32/],
    ["sparse.pth", /dense tensor for "w".*_rebuild_sparse_tensor.*to_dense/],
    ["quantized.pth", /dense tensor for "w".*_rebuild_qtensor.*dequantize/],
    ["list.pth", /state dict.*a list or tuple.*state_dict\(\)/],
  ])("%s is refused with the reason", (file, message) => {
    expect(() => findStateDict(readTorch(torchFixture(file)))).toThrow(FormatError);
    expect(() => findStateDict(readTorch(torchFixture(file)))).toThrow(message);
  });
});

describe("numbers of a pickle", () => {
  const read = (bytes: number[]) => readTorch(pth(bytes));

  test.each<[string, number[], number | bigint]>([
    ["BININT, signed", [0x4a, 0xfe, 0xff, 0xff, 0xff], -2],
    ["BININT, the largest", [0x4a, 0xff, 0xff, 0xff, 0x7f], 2 ** 31 - 1],
    ["BININT1, unsigned", [0x4b, 0xff], 255],
    ["BININT2, unsigned, little-endian", [0x4d, 0x02, 0xff], 0xff02],
    ["LONG1 of no bytes", [0x8a, 0], 0],
    ["LONG1, negative", [0x8a, 1, 0xff], -1],
    ["LONG1, positive with a high byte of 0", [0x8a, 2, 0xff, 0], 255],
    ["LONG1, negative of several bytes", [0x8a, 5, 0, 0, 0, 0, 0x80], -(2 ** 39)],
    ["LONG1, the largest number", [0x8a, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f], 2 ** 53 - 1],
    ["LONG1, beyond numbers", [0x8a, 7, 0, 0, 0, 0, 0, 0, 0x20], 2n ** 53n],
    ["LONG1, beyond numbers and negative", [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0xff], -(2n ** 64n)],
    ["LONG4, negative", [0x8b, 2, 0, 0, 0, 0xfe, 0xff], -2],
    ["BINFLOAT, big-endian", [0x47, 0xc0, 0x0a, 0, 0, 0, 0, 0, 0], -3.25],
  ])("%s", (_, bytes, value) => {
    expect(read(bytes)).toBe(value);
  });

  test("integers are limited, also those of LONG4", () => {
    expect(read([0x8b, 0, 1, 0, 0, ...new Array(256).fill(0)])).toBe(0);
    expect(() => read([0x8b, 1, 1, 0, 0, ...new Array(257).fill(0)])).toThrow(/at most 256 bytes, received 257/);
  });
});

describe("strided tensors", () => {
  // No byte of any number is 0, so that none may be left out.
  const number = (i: number): number => Math.fround(i + 1.2345678);
  const storages = { "0": new Uint8Array(Float32Array.from({ length: 24 }, (_, i) => number(i)).buffer) };
  const read = (offset: number, shape: number[], strides: number[]): NamedArray =>
    findStateDict(
      readTorch(pth(pk.dict(["w", pk.tensor(pk.storage("FloatStorage", "0", 24), offset, shape, strides)]), storages)),
    ).arrays.get("w")!;

  test.each([
    ["dense", 0, [2, 3], [3, 1], [0, 1, 2, 3, 4, 5]],
    ["dense with axes of size 1 whose strides mean nothing", 4, [1, 2, 1, 3], [99, 3, 77, 1], [4, 5, 6, 7, 8, 9]],
    ["transposed", 0, [3, 2], [1, 3], [0, 3, 1, 4, 2, 5]],
    ["every second", 1, [3], [2], [1, 3, 5]],
    ["one number many times", 7, [2, 2], [0, 0], [7, 7, 7, 7]],
    ["overlapping windows", 2, [2, 3], [1, 1], [2, 3, 4, 3, 4, 5]],
    ["to the last element", 23, [1], [5], [23]],
    ["a scalar", 5, [], [], [5]],
    ["empty", 24, [0, 3], [3, 1], []],
  ])("%s", (_, offset, shape, strides, values) => {
    expect(plain(read(offset, shape, strides))).toEqual({ dtype: "f32", shape, values: values.map(number) });
  });

  test("are views of the file where they are dense, whatever the strides of axes of size 1", () => {
    const { data } = read(4, [1, 2, 1, 3], [99, 3, 77, 1]);
    expect(data.buffer.byteLength).toBeGreaterThanOrEqual(24 * 4);
    expect(read(0, [3, 2], [1, 3]).data.buffer.byteLength).toBe(24);
  });

  test("that reach beyond their storage are refused", () => {
    expect(() => read(23, [2], [1])).toThrow(/within its 24 elements.*strides \[1\] from element 23/);
    expect(() => read(0, [3, 9], [9, 1])).toThrow(/within its 24 elements/);
    for (const offset of [24, 25]) expect(() => read(offset, [], [])).toThrow(/within its 24 elements/);
    expect(() => read(25, [0], [1])).toThrow(/within its 24 elements/);
  });
});

test("tensors of an open file are fetched when asked for, whole or in parts, strided ones only whole", () => {
  for (const file of ["views-zip.pth", "views-legacy.pth", "types-zip.pth"]) {
    const source = FileSource.open(torchPath(file));
    try {
      const { arrays } = findStateDict(readTorch(source));
      for (const [name, array] of arrays) {
        expect(plain(array), name).toEqual(index[file]![name]);
        const fill = array.fill as ((target: NamedArray["data"], from: number) => void) | undefined;
        const whole = array.data;
        for (let from = 0; fill && from < whole.length; from++) {
          const part = whole.slice(0, Math.min(3, whole.length - from));
          fill(part, from);
          expect(Array.from(part, Number), `${name} from ${from}`).toEqual(
            Array.from(whole.slice(from, from + part.length), Number),
          );
        }
      }
    } finally {
      source.close();
    }
  }
});

describe("finding the weights", () => {
  const tensor = pk.tensor(pk.storage("FloatStorage", "0", 4), 0, [4], [1]);
  const storages = { "0": new Uint8Array(16) };

  test("wrappers in wrappers, prefixes on prefixes, and counters beside them", () => {
    const inner = pk.dict(["module._orig_mod.w.x", tensor], ["n_averaged", tensor]);
    const file = pth(pk.dict(["epoch", pk.int(1)], ["ema", pk.dict(["model", inner])]), storages);
    const { arrays, chosen, prefixes } = findStateDict(readTorch(file));
    expect(chosen).toBe("ema.model");
    expect(prefixes).toEqual(["module.", "_orig_mod."]);
    expect([...arrays.keys()]).toEqual(["w.x", "n_averaged"]);
  });

  test("a prefix that only some names have stays", () => {
    const file = pth(pk.dict(["module.a.b", tensor], ["c.d", tensor]), storages);
    expect([...findStateDict(readTorch(file)).arrays.keys()]).toEqual(["module.a.b", "c.d"]);
  });

  test("a few tensors beside a wrapped net are not it", () => {
    const net = pk.dict(["a.weight", tensor], ["b.weight", tensor]);
    const read = (path?: string) =>
      findStateDict(
        readTorch(pth(pk.dict(["loss_weight", tensor], ["model", net]), storages)),
        path === undefined ? {} : { path },
      );
    expect(read()).toMatchObject({ chosen: "model", alternatives: [""] });
    expect([...read("").arrays.keys()]).toEqual(["loss_weight"]);
    // As many as the net has: the top is a state dict with a module of that name.
    const top = pth(pk.dict(["c", tensor], ["d", tensor], ["model", net]), storages);
    expect(findStateDict(readTorch(top))).toMatchObject({ chosen: "", alternatives: ["model"], skipped: ["model"] });
  });

  test("one wrapped net with more tensors is enough; what lies beside a state dict's only tensor is not looked at", () => {
    const two = pk.dict(["a.weight", tensor], ["b.weight", tensor]);
    const file = pth(pk.dict(["count", tensor], ["model", two], ["ema", pk.dict(["a.weight", tensor])]), storages);
    expect(findStateDict(readTorch(file))).toMatchObject({ chosen: "model", alternatives: ["ema", ""] });
    const alone = pth(pk.dict(["w.weight", tensor], ["extra", two]), storages);
    expect(findStateDict(readTorch(alone))).toMatchObject({ chosen: "", alternatives: [], skipped: ["extra"] });
  });

  test("a long list is no list of nets", () => {
    const list = (length: number): number[] => [
      ...pk.emptyList,
      ...Array.from({ length: length - 1 }, () => [...pk.int(1), 0x61]).flat(),
      ...pk.dict(["x.w", tensor]),
      0x61,
    ];
    expect(findStateDict(readTorch(pth(list(64), storages))).chosen).toBe("63");
    expect(() => findStateDict(readTorch(pth(list(65), storages)))).toThrow(/a state dict/);
  });

  test("usual keys come in their order, averages last; what an optimizer keeps must be asked for", () => {
    const w = (name: string) => pk.dict([name, tensor]);
    const file = pth(
      pk.dict(
        ["ema", w("e.w")],
        ["my_net", w("n.w")],
        ["optimizer", pk.dict(["exp_avg", w("o.w")])],
        ["state_dict", w("s.w")],
        ["model", w("m.w")],
      ),
      storages,
    );
    const read = (path?: string) => findStateDict(readTorch(file), path === undefined ? {} : { path });
    expect(read()).toMatchObject({ chosen: "model", alternatives: ["state_dict", "ema", "my_net"] });
    expect([...read("my_net").arrays.keys()]).toEqual(["n.w"]);
    expect([...read("optimizer.exp_avg").arrays.keys()]).toEqual(["o.w"]);
    const only = pth(
      pk.dict(["epoch", pk.int(3)], ["optimizer_state", w("o.w")], ["a", pk.dict(["b", w("n.w")])]),
      storages,
    );
    expect(findStateDict(readTorch(only))).toMatchObject({ chosen: "a.b", alternatives: [] });
    const none = pth(pk.dict(["optimizer", w("o.w")]), storages);
    expect(() => findStateDict(readTorch(none))).toThrow(/a state dict: .*with the keys "optimizer"/);
  });

  test("in a list, and by the beginning of names", () => {
    const list = [...pk.emptyList, ...pk.int(1), 0x61, ...pk.dict(["x.w", tensor]), 0x61]; // APPEND
    expect(findStateDict(readTorch(pth(list, storages)))).toMatchObject({ chosen: "1" });
    const parts = pth(
      pk.dict(["net", pk.dict(["gen.a.w", tensor], ["gen.module.w", tensor], ["dis.a.w", tensor])]),
      storages,
    );
    const read = (path: string) => findStateDict(readTorch(parts), { path });
    expect([...read("net.gen").arrays.keys()]).toEqual(["a.w", "module.w"]);
    expect([...read("net.gen.").arrays.keys()]).toEqual(["a.w", "module.w"]);
    expect([...read("net.gen.module").arrays.keys()]).toEqual(["w"]);
    expect(() => read("net.ge")).toThrow(/one of the weights in the file: "net", received "net\.ge"/);
    expect(() => read("gen")).toThrow(/received "gen"/);
  });

  test("two places that nobody prefers are named", () => {
    const file = pth(pk.dict(["a", pk.dict(["w.x", tensor])], ["b", pk.dict(["w.x", tensor])]), storages);
    expect(() => findStateDict(readTorch(file))).toThrow(/weights under "a", "b": choose one with --key \(key\): a/);
  });

  test("what is shared without end ends", () => {
    // Each dictionary holds the one before it twice: 2^200 ways to the tensor.
    let bytes = [...pk.dict(["w.x", tensor]), 0x71, 0];
    for (let i = 1; i < 200; i++) {
      bytes = [
        ...pk.emptyDict,
        ...pk.text("p"),
        ...bytes,
        ...pk.setItem,
        ...pk.text("q"),
        0x68,
        i - 1,
        ...pk.setItem,
        0x71,
        i,
      ];
    }
    expect(() => findStateDict(readTorch(pth(bytes, storages)))).toThrow(/a state dict/); // deeper than anybody nests
    bytes = [...pk.dict(["w.x", tensor]), 0x71, 0];
    for (let i = 1; i < 30; i++) {
      bytes = [
        ...pk.emptyDict,
        ...pk.text("p"),
        ...bytes,
        ...pk.setItem,
        ...pk.text("q"),
        0x68,
        i - 1,
        ...pk.setItem,
        0x71,
        i,
      ];
    }
    expect(findStateDict(readTorch(pth(bytes, storages))).chosen).toBe(new Array(29).fill("p").join("."));
  });

  test("entries that are no tensors are named", () => {
    const file = pth(pk.dict(["w", tensor], ["step", pk.int(3)]), storages);
    expect(findStateDict(readTorch(file)).skipped).toEqual(["step"]);
  });

  test("a checkpoint without weights says what it holds", () => {
    const file = pth(pk.dict(["epoch", pk.int(1)], ["lr", pk.int(2)]));
    expect(() => findStateDict(readTorch(file))).toThrow(/a dictionary with the keys "epoch", "lr"/);
  });

  test("a checkpoint that contains itself ends", () => {
    // {} memo 0; set "model" of it to itself
    const file = pth([...pk.emptyDict, 0x71, 0, ...pk.text("model"), 0x68, 0, ...pk.setItem]);
    expect(() => findStateDict(readTorch(file))).toThrow(FormatError);
  });
});

describe("tensors that lie", () => {
  const file = (offset: number, shape: number[], strides: number[], length = 4, bytes = 16): Uint8Array =>
    pth(pk.dict(["w", pk.tensor(pk.storage("FloatStorage", "0", length), offset, shape, strides)]), {
      "0": new Uint8Array(bytes),
    });
  const read = (bytes: Uint8Array): NamedArray => findStateDict(readTorch(bytes)).arrays.get("w")!;

  test("shapes and strides within the storage are read", () => {
    expect(read(file(0, [2, 2], [2, 1])).shape).toEqual([2, 2]);
    expect(read(file(3, [], [])).data.length).toBe(1);
    expect(read(file(4, [0], [1])).data.length).toBe(0);
    expect(read(file(0, [5, 2], [0, 1])).data.length).toBe(10);
  });

  test.each([
    ["beyond the storage", file(1, [4], [1]), /within its 4 elements/],
    ["strides beyond the storage", file(0, [2, 2], [3, 1]), /within its 4 elements/],
    ["an empty tensor beyond the storage", file(6, [0], [1]), /within its 4 elements/],
    ["a storage longer than its bytes", file(0, [8], [1], 8), /32 bytes in the storage "0", received 16/],
    [
      "a storage that is not there",
      pth(pk.dict(["w", pk.tensor(pk.storage("FloatStorage", "1", 1), 0, [1], [1])])),
      /none of that name/,
    ],
    ["shape and strides of other lengths", file(0, [4], []), /as many strides/],
    ["a negative size", file(0, [-1], [1]), /a shape/],
    ["2^60 elements", file(0, [2 ** 30, 2 ** 30], [0, 0]), /2\^53/],
    ["an expanded terabyte", file(0, [2 ** 20, 2 ** 18], [0, 0]), /about as large as the file/],
    ["a list as storage", pth(pk.dict(["w", pk.tensor(pk.emptyList, 0, [1], [1])])), /a storage for a tensor/],
    ["another persistent id", pth([...pk.tupleOf(pk.text("x")), 0x51]), /persistent ids/],
    ["another class of storage", pth(pk.storage("nn.Module", "0", 1)), /storage class/],
  ])("%s", (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(FormatError);
    expect(() => read(bytes)).toThrow(message);
  });

  test("many strided tensors together may not ask for much more than the file", () => {
    const big = pk.tensor(pk.storage("FloatStorage", "0", 1), 0, [1024, 1024], [0, 0]);
    const entries = Array.from({ length: 40 }, (_, i): [string, number[]] => [`w${i}`, big]);
    expect(() => findStateDict(readTorch(pth(pk.dict(...entries), { "0": new Uint8Array(4) })))).toThrow(/as large as/);
  });
});

describe("other kinds of files", () => {
  test.each([
    ["nothing", new Uint8Array(0), /PyTorch checkpoint/],
    ["safetensors", oracle("tiny-io.safetensors"), /PyTorch checkpoint/],
    ["TorchScript", pth(pk.emptyDict, {}, { "constants.pkl": "x" }), /TorchScript.*torch.jit.load/],
    ["big-endian", pth(pk.emptyDict, {}, { byteorder: "big" }), /little-endian/],
    ["a cut zip", oracle("tiny-train.pth").subarray(0, 100_000), /cut short/],
    ["a cut legacy file", oracle("tiny-ddp-legacy.pth").subarray(0, 250_000), /cut short/],
  ])("%s", (_, bytes, message) => {
    expect(() => readTorch(bytes)).toThrow(FormatError);
    expect(() => readTorch(bytes)).toThrow(message);
  });

  test("a legacy file of a big-endian machine", () => {
    const file = oracle("tiny-ddp-legacy.pth");
    const at = new TextDecoder("latin1").decode(file).indexOf("little_endian") + "little_endian".length;
    const flag = file.indexOf(0x88, at); // NEWTRUE
    file[flag] = 0x89;
    expect(() => readTorch(file)).toThrow(/big-endian/);
  });
});

describe("writing", () => {
  const writable = (Object.keys(bytesPerElement) as DType[]).filter((dtype) => !["u16", "u32", "u64"].includes(dtype));
  const arrays = new Map<string, NamedArray>();
  for (const dtype of writable) {
    for (const shape of [[], [3, 5], [0, 2], [2, 1, 3, 3]]) {
      const bytes = Uint8Array.from({ length: elementCount(shape) * bytesPerElement[dtype] }, (_, i) => (i * 7) & 1);
      arrays.set(`${dtype}.[${shape}]`, arrayFromBytes(dtype, shape, bytes));
    }
  }

  test("what we write we read, as views, in order, and twice the same", () => {
    const file = writeTorch(arrays);
    const back = findStateDict(readTorch(file)).arrays;
    expect([...back]).toEqual([...arrays]);
    for (const { data } of back.values()) expect(data.buffer).toBe(file.buffer);
    expect(writeTorch(arrays)).toEqual(file);
  });

  test("rewriting a file of PyTorch's keeps every tensor", () => {
    const { arrays: original } = findStateDict(readTorch(torchFixture("views-zip.pth")));
    const back = findStateDict(readTorch(writeTorch(original))).arrays;
    expect([...back].map(([n, a]) => [n, plain(a)])).toEqual(Object.entries(index["views-zip.pth"]!));
  });

  test("files: the same bytes, whatever makes the checksum; errors name the file", async () => {
    const folder = await mkdtemp(join(tmpdir(), "repvgg-torch-"));
    try {
      const path = join(folder, "weights.pth");
      await writeTorchFile(path, arrays);
      expect(new Uint8Array(await readFile(path))).toEqual(writeTorch(arrays));
      expect([...(await readTorchFile(path)).arrays.keys()]).toEqual([...arrays.keys()]);
      await writeFile(path, torchFixture("complex.pth"));
      await expect(readTorchFile(path)).rejects.toThrow(/ComplexFloatStorage for "w" in .*weights\.pth: convert/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("element types that PyTorch has not are refused", () => {
    expect(() => writeTorch(new Map([["w", arrayFromBytes("u32", [1], new Uint8Array(4))]]))).toThrow(UserError);
  });

  test("CRC-32 (check value of the standard, and every tail length)", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    const bytes = Uint8Array.from({ length: 40 }, (_, i) => i * 13);
    const bitwise = (data: Uint8Array): number => {
      let crc = 0xffffffff;
      for (const byte of data) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
      }
      return ~crc >>> 0;
    };
    for (let n = 0; n <= 40; n++) expect(crc32(bytes.subarray(0, n))).toBe(bitwise(bytes.subarray(0, n)));
    expect(bytesOfArray(arrayFromBytes("u8", [40], bytes))).toEqual(bytes);
  });
});
