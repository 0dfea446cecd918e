import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inMemory } from "#repvgg/core/deferred-array.js";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { f32, type NamedArray, numberToBfloat16, numberToHalf } from "#repvgg/core/named-arrays.js";
import { bytesOfArray } from "#repvgg/formats/array-bytes.js";
import { externalFiles, withExternalData } from "#repvgg/formats/onnx/external-data.js";
import { readOnnxFile, writeOnnxFile } from "#repvgg/formats/onnx/file.node.js";
import {
  decodeAttribute,
  encodeAttribute,
  onnxChunks,
  opsetVersion,
  readOnnx,
  writeOnnx,
} from "#repvgg/formats/onnx/model.js";
import {
  type AttributeProto,
  attributeType,
  dataType,
  emptyAttribute,
  emptyTensor,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from "#repvgg/formats/onnx/proto.js";
import { arrayToTensor, tensorToArray } from "#repvgg/formats/onnx/tensor.js";
import { readSafetensors } from "#repvgg/formats/safetensors/read.js";
import { oracle, oraclePath } from "./fixtures.js";
import { decodeIndependently, encodeIndependently } from "./onnx-oracle.js";
import { OutOfMemorySource } from "./out-of-memory-source.js";

const files = readdirSync(dirname(oraclePath("index.json"))).filter((name) => name.endsWith(".onnx"));

function attribute(name: string, value: Partial<AttributeProto>, type: number): AttributeProto {
  return { ...emptyAttribute, name, type, ...value };
}

/** A model of one node y = op(x, …), for what the oracles do not hold. */
function modelOf(
  nodes: readonly NodeProto[],
  initializer: readonly TensorProto[],
  more: Partial<ModelProto> = {},
): ModelProto {
  const value = (name: string) => ({
    name,
    type: { tensorType: { elemType: dataType.f32, shape: { dim: [{ dimValue: 2 }, { dimParam: "n" }] } } },
  });
  return {
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    metadataProps: [],
    functions: [],
    graph: { name: "g", node: nodes, initializer, input: [value("x")], output: [value("y")], valueInfo: [] },
    ...more,
  };
}

const identity: NodeProto = { input: ["x"], output: ["y"], opType: "Identity", attribute: [] };

describe("files of PyTorch's exporter", () => {
  test.each(files)("%s: written again it means the same", (file) => {
    const bytes = oracle(file);
    const model = readOnnx(bytes);
    const again = writeOnnx(model);
    // `toEqual` takes seconds on arrays of this size.
    expect(isDeepStrictEqual(decodeIndependently(again), decodeIndependently(bytes))).toBe(true);
    expect(isDeepStrictEqual(readOnnx(again), model)).toBe(true);
  });

  test.each(files)("%s: packed and unpacked numbers read the same", (file) => {
    const bytes = oracle(file);
    const model = readOnnx(bytes);
    for (const packed of [true, false]) {
      expect(isDeepStrictEqual(readOnnx(encodeIndependently(bytes, { packed })), model)).toBe(true);
    }
  });

  test("the record is the graph", () => {
    const model = readOnnx(oracle("tiny-deploy.onnx"));
    expect(opsetVersion(model)).toBe(13);
    expect(model.producerName).toBe("pytorch");
    const first = model.graph!.node[0]!;
    expect([first.opType, first.input.length, first.output.length]).toEqual(["Conv", 3, 1]);
    expect(first.attribute.find(({ name }) => name === "strides")!.ints).toEqual(BigInt64Array.of(2n, 2n));
    expect(first.attribute.find(({ name }) => name === "group")!.i).toBe(1n);
    const weight = tensorToArray(model.graph!.initializer.find(({ name }) => name === first.input[1])!);
    expect([weight.dtype, weight.shape]).toEqual(["f32", [8, 3, 3, 3]]);
    expect(model.graph!.input[0]!.type!.tensorType!.shape!.dim[0]).toEqual({ dimParam: "n" });
  });

  test.each([
    ["tiny-train.onnx", "tiny"],
    ["tiny-se-deploy.onnx", "tiny-se"],
    ["block-dbb-bn.onnx", "block-dbb"],
  ])("%s: ONNX Runtime gives the stored outputs with the written file", async (file, io) => {
    const session = await InferenceSession.create(writeOnnx(readOnnx(oracle(file))));
    const { arrays } = readSafetensors(oracle(`${io}-io.safetensors`));
    const [x, y] = [...arrays.values()] as [NamedArray, NamedArray];
    const feeds = { [session.inputNames[0]!]: new Tensor("float32", x.data as Float32Array, x.shape) };
    const output = (await session.run(feeds))[session.outputNames[0]!]!;
    expect(output.dims).toEqual(y.shape);
    const expected = y.data as Float32Array;
    const scale = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const error = (output.data as Float32Array).reduce(
      (max, value, i) => Math.max(max, Math.abs(value - expected[i]!)),
      0,
    );
    expect(error).toBeLessThan(1e-4 * scale);
  });
});

describe("records", () => {
  const everything: AttributeProto[] = [
    attribute("f", { f: -1.5 }, attributeType.float),
    attribute("zero", { f: 0 }, attributeType.float),
    attribute("i", { i: -1n }, attributeType.int),
    attribute("largest", { i: 2n ** 63n - 1n }, attributeType.int),
    attribute("smallest", { i: -(2n ** 63n) }, attributeType.int),
    attribute("s", { s: Uint8Array.of(0, 255, 10) }, attributeType.string),
    attribute("t", { t: arrayToTensor("inner", f32([2], Float32Array.of(1, 2))) }, attributeType.tensor),
    attribute(
      "g",
      { g: { node: [identity], input: [], output: [], initializer: [], valueInfo: [] } },
      attributeType.graph,
    ),
    attribute("floats", { floats: Float32Array.of(0, 1.5, Number.NaN, -0) }, attributeType.floats),
    attribute("ints", { ints: BigInt64Array.of(0n, 127n, 128n, -5n, 2n ** 62n) }, attributeType.ints),
    attribute("strings", { strings: [Uint8Array.of(), Uint8Array.of(7)] }, attributeType.strings),
  ];

  test("every kind of attribute survives, and is what the independent decoder reads", () => {
    const model = modelOf([{ ...identity, attribute: everything, name: "ünïcode 😀", domain: "my.ops" }], []);
    const bytes = writeOnnx(model);
    expect(readOnnx(bytes)).toEqual(model);
    const graph = (
      decodeIndependently(bytes) as unknown as { graph: { node: { attribute: Record<string, unknown>[] }[] } }
    ).graph;
    const byName = new Map(graph.node[0]!.attribute.map((a) => [a.name, a]));
    expect(byName.get("f")!.f).toBe(-1.5);
    expect(byName.get("largest")!.i).toBe(2n ** 63n - 1n);
    expect(byName.get("smallest")!.i).toBe(-(2n ** 63n));
    expect(byName.get("s")!.s).toEqual(Uint8Array.of(0, 255, 10));
    expect(byName.get("floats")!.floats).toEqual([0, 1.5, Number.NaN, -0]);
    expect(byName.get("ints")!.ints).toEqual([0n, 127n, 128n, -5n, 2n ** 62n]);
    expect(byName.get("strings")!.strings).toEqual([Uint8Array.of(), Uint8Array.of(7)]);
    for (const a of everything) expect(decodeAttribute(encodeAttribute(a))).toEqual(a);
  });

  test("fields that we do not know stay where they were", () => {
    const model = modelOf([identity], []);
    const metadata = Uint8Array.of(0x4a, 4, 0x0a, 2, 0x68, 0x69); // NodeProto.metadata_props { key: "hi" }
    const training = Uint8Array.of(0xa2, 1, 0); // ModelProto.training_info {}
    const odd = Uint8Array.of(0x9d, 6, 1, 2, 3, 4); // field 99, four bytes
    const extended: ModelProto = {
      ...model,
      graph: { ...model.graph!, node: [{ ...identity, unknown: [metadata] }] },
      unknown: [training, odd],
    };
    const bytes = writeOnnx(extended);
    const back = readOnnx(bytes);
    expect(back).toEqual(extended);
    const seen = decodeIndependently(bytes) as unknown as {
      graph: { node: { metadataProps: { key: string }[] }[] };
    };
    expect(seen.graph.node[0]!.metadataProps[0]!.key).toBe("hi");
  });

  test("large tensors are passed through, not copied", () => {
    const array = f32([64, 64]);
    const chunks = onnxChunks(modelOf([identity], [arrayToTensor("w", array)]));
    expect([...chunks].some((chunk) => chunk.buffer === array.data.buffer)).toBe(true);
    const bytes = writeOnnx(modelOf([identity], [arrayToTensor("w", array)]));
    expect(readOnnx(bytes).graph!.initializer[0]!.rawData).toMatchObject({ buffer: bytes.buffer });
  });

  test("a file that is not in memory gives the same model, and keeps its large tensors", () => {
    const large = f32(
      [40_000],
      Float32Array.from({ length: 40_000 }, (_, i) => i),
    );
    const made = writeOnnx(modelOf([identity], [arrayToTensor("w", large), arrayToTensor("v", f32([3]))]));
    for (const bytes of [...files.map(oracle), made]) {
      const source = new OutOfMemorySource(bytes);
      const [near, far] = [readOnnx(new Uint8Array(bytes)), readOnnx(source)];
      const arrays = (model: ModelProto) => model.graph!.initializer.map((tensor) => inMemory(tensorToArray(tensor)));
      expect(isDeepStrictEqual(arrays(far), arrays(near))).toBe(true);
      expect(Buffer.compare(writeOnnx(far), writeOnnx(near))).toBe(0);
    }
    const source = new OutOfMemorySource(made);
    const { rawData } = readOnnx(source).graph!.initializer[0]!;
    expect(rawData).not.toBeInstanceOf(Uint8Array);
    expect(source.read).toBeLessThan(2 * 2 ** 16);
    const chunks = onnxChunks(
      modelOf([identity], [arrayToTensor("w", tensorToArray(readOnnx(source).graph!.initializer[0]!))]),
    );
    expect(
      Buffer.concat([...chunks].map((chunk) => Buffer.from(chunk))).includes(Buffer.from(bytesOfArray(large))),
    ).toBe(true);
  });

  test("a field over the edge of what is read at a time", () => {
    // Names of growing length move every later field over the edge, byte by byte.
    for (let length = 2 ** 16 - 90; length < 2 ** 16 + 10; length += 7) {
      const model = modelOf(
        [{ ...identity, docString: "é".repeat(length / 2), domain: "d" }],
        [arrayToTensor("w", f32([2], Float32Array.of(1, 2)))],
      );
      const bytes = writeOnnx({ ...model, unknown: [Uint8Array.of(0x9d, 6, 1, 2, 3, 4)] });
      expect(readOnnx(new OutOfMemorySource(bytes))).toEqual(readOnnx(bytes));
    }
  });

  test("operator sets", () => {
    const withOpset = (...opsetImport: ModelProto["opsetImport"]): ModelProto =>
      modelOf([identity], [], { opsetImport });
    expect(opsetVersion(withOpset({ version: 7 }))).toBe(7);
    expect(opsetVersion(withOpset({ domain: "other", version: 1 }, { domain: "ai.onnx", version: 22 }))).toBe(22);
    expect(opsetVersion(withOpset({ version: 1 }))).toBe(1);
    expect(opsetVersion(withOpset({ version: 99 }))).toBe(99);
    expect(() => opsetVersion(withOpset({ version: 0 }))).toThrow(FormatError);
    expect(() => opsetVersion(withOpset({ domain: "other", version: 9 }))).toThrow(/none of ONNX's own/);
  });
});

describe("tensors", () => {
  const tensor = (type: keyof typeof dataType, dims: number[], more: Partial<TensorProto>): TensorProto => ({
    ...emptyTensor,
    name: "w",
    dims,
    dataType: dataType[type],
    ...more,
  });
  const throughFile = (t: TensorProto): NamedArray =>
    tensorToArray(readOnnx(writeOnnx(modelOf([identity], [t]))).graph!.initializer[0]!);

  test.each<[string, TensorProto, unknown[]]>([
    ["f32", tensor("f32", [2], { floatData: Float32Array.of(1.5, -2) }), [1.5, -2]],
    ["f64", tensor("f64", [2], { doubleData: Float64Array.of(0.1, -2) }), [0.1, -2]],
    ["i64", tensor("i64", [2], { int64Data: BigInt64Array.of(-1n, 2n ** 40n) }), [-1n, 2n ** 40n]],
    ["i32", tensor("i32", [2], { int32Data: Int32Array.of(-1, 2 ** 31 - 1) }), [-1, 2 ** 31 - 1]],
    ["i16", tensor("i16", [1], { int32Data: Int32Array.of(-7) }), [-7]],
    ["i8", tensor("i8", [1], { int32Data: Int32Array.of(-7) }), [-7]],
    ["u8", tensor("u8", [1], { int32Data: Int32Array.of(200) }), [200]],
    ["u16", tensor("u16", [1], { int32Data: Int32Array.of(60000) }), [60000]],
    ["u32", tensor("u32", [1], { uint64Data: BigUint64Array.of(4_000_000_000n) }), [4_000_000_000]],
    ["u64", tensor("u64", [1], { uint64Data: BigUint64Array.of(2n ** 64n - 1n) }), [2n ** 64n - 1n]],
    ["bool", tensor("bool", [2], { int32Data: Int32Array.of(1, 0) }), [1, 0]],
    ["f16", tensor("f16", [1], { int32Data: Int32Array.of(numberToHalf(-1.5)) }), [numberToHalf(-1.5)]],
    ["bf16", tensor("bf16", [1], { int32Data: Int32Array.of(numberToBfloat16(3)) }), [numberToBfloat16(3)]],
  ])("typed data of %s, and the same as raw bytes", (dtype, typed, values) => {
    const array = throughFile(typed);
    expect([array.dtype, Array.from(array.data as Iterable<unknown>)]).toEqual([dtype, values]);
    const raw = arrayToTensor("w", array);
    expect(raw.rawData).toEqual(bytesOfArray(array));
    expect(throughFile(raw)).toEqual(array);
  });

  test.each<[string, TensorProto, RegExp]>([
    ["too few raw bytes", tensor("f32", [2], { rawData: new Uint8Array(7) }), /8 bytes for tensor "w".*7/],
    ["too many elements", tensor("f32", [1], { floatData: new Float32Array(2) }), /1 elements.*2/],
    ["no data", tensor("f32", [3], {}), /3 elements.*0/],
    ["a negative size", tensor("f32", [-1], {}), /whole sizes/],
    ["2^60 elements", tensor("f32", [2 ** 30, 2 ** 30], {}), /2\^53/],
    ["strings", { ...tensor("f32", [1], {}), dataType: 8 }, /data type 8/],
    ["no type", { ...emptyTensor, dims: [] }, /data type 0/],
    ["data elsewhere", tensor("f32", [1], { dataLocation: 1 }), /another file/],
  ])("%s", (_, t, message) => {
    expect(() => throughFile(t)).toThrow(FormatError);
    expect(() => throughFile(t)).toThrow(message);
  });
});

describe("data in other files", () => {
  const external = (entries: Record<string, string>): ModelProto =>
    modelOf(
      [identity],
      [
        {
          ...emptyTensor,
          name: "w",
          dims: [2],
          dataType: dataType.f32,
          dataLocation: 1,
          externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
        },
      ],
    );
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "repvgg-onnx-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test("offset and length, also in attributes and inner graphs", () => {
    const file = new Uint8Array(Float32Array.of(9, 1, 2, 9).buffer);
    const model = external({ location: "data/weights.bin", offset: "4", length: "8" });
    const inner = attribute("value", { t: model.graph!.initializer[0]! }, attributeType.tensor);
    const branch = attribute(
      "g",
      { g: { ...model.graph!, node: [{ ...identity, attribute: [inner] }] } },
      attributeType.graph,
    );
    const nested = { ...model, graph: { ...model.graph!, node: [{ ...identity, attribute: [branch] }] } };
    expect(externalFiles(nested)).toEqual(["data/weights.bin"]);
    const whole = withExternalData(nested, () => file).graph!;
    const deep = whole.node[0]!.attribute[0]!.g!.node[0]!.attribute[0]!.t!;
    for (const t of [whole.initializer[0]!, deep]) expect(tensorToArray(t).data).toEqual(Float32Array.of(1, 2));
    expect(externalFiles(withExternalData(nested, () => file))).toEqual([]);
  });

  test.each([
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../b",
    "..",
    "",
    "a//b",
    "./a",
    "C:\\x",
    "..\\x",
    "file:x",
    "a\0b",
  ])("a location %j is refused", (location) => {
    expect(() => externalFiles(external({ location }))).toThrow(FormatError);
    expect(() => externalFiles(external({ location }))).toThrow(/in the model's folder/);
  });

  test.each([
    ["an offset beyond the file", { offset: "100" }, /within the 8 bytes/],
    ["a length beyond the file", { offset: "4", length: "8" }, /bytes 4 to 12/],
    ["a negative offset", { offset: "-4" }, /whole number as offset/],
    ["a huge length", { length: "99999999999999999999" }, /whole number as length/],
    ["an empty length", { length: "" }, /whole number as length/],
  ])("%s", (_, entries, message) => {
    const model = external({ location: "w.bin", ...entries });
    expect(() => withExternalData(model, () => new Uint8Array(8))).toThrow(FormatError);
    expect(() => withExternalData(model, () => new Uint8Array(8))).toThrow(message);
  });

  test("beside the model on disk; a link out of the folder is refused", async () => {
    const path = join(folder, "models", "m.onnx");
    await mkdir(dirname(path));
    await writeOnnxFile(path, external({ location: "w.bin", length: "8" }));
    await expect(readOnnxFile(path)).rejects.toThrow(/w\.bin.*no such file or folder/);
    await writeFile(join(folder, "models", "w.bin"), new Uint8Array(Float32Array.of(3, 4).buffer));
    const { graph } = await readOnnxFile(path);
    expect(tensorToArray(graph!.initializer[0]!).data).toEqual(Float32Array.of(3, 4));
    await writeFile(join(folder, "secret"), new Uint8Array(8));
    await rm(join(folder, "models", "w.bin"));
    await symlink("../secret", join(folder, "models", "w.bin"));
    await expect(readOnnxFile(path)).rejects.toThrow(/leads out/);
    expect((await readdir(dirname(path))).sort()).toEqual(["m.onnx", "w.bin"]);
  });

  test("files by path: an oracle, a missing one, one that is no model", async () => {
    expect((await readOnnxFile(oraclePath("block-acb.onnx"))).graph!.node.length).toBe(5);
    await expect(readOnnxFile(join(folder, "none.onnx"))).rejects.toThrow(UserError);
    await expect(readOnnxFile(oraclePath("README.md"))).rejects.toThrow(/README\.md/);
  });
});

describe("bytes that are no model", () => {
  const nested = (depth: number): Uint8Array => {
    // graph { node { attribute { g { node { attribute { g … innermost first
    let inner: number[] = [];
    const wrap = (tag: number, content: number[]): number[] => {
      const length: number[] = [];
      for (let rest = content.length; ; rest >>>= 7) {
        length.push(rest >= 128 ? (rest & 127) | 128 : rest);
        if (rest < 128) break;
      }
      return [tag, ...length, ...content];
    };
    for (let i = 0; i < depth; i++) inner = wrap(0x0a, wrap(0x2a, wrap(0x32, inner)));
    return Uint8Array.from([...wrap(0x3a, inner), 0x42, 2, 0x10, 17]);
  };

  test("graphs in graphs: thirty are read, two hundred refused", () => {
    expect(readOnnx(nested(30)).graph!.node.length).toBe(1);
    expect(() => readOnnx(nested(200))).toThrow(/100 levels/);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["nothing", new Uint8Array(0), /an ONNX model, received an empty file/],
    ["text", new TextEncoder().encode("<!DOCTYPE html><html>"), /ONNX|wire type/],
    ["a .pth", oracle("tiny-half.pth"), /expected/],
    ["a graph without operator set", Uint8Array.of(0x3a, 0), /operator set/],
    ["two graphs", Uint8Array.of(0x3a, 0, 0x3a, 0), /ModelProto\.graph once/],
    ["field number 0", Uint8Array.of(0x00, 0x01), /field number/],
    ["a group", Uint8Array.of(0x1b, 0x00), /wire type.*3/],
    ["a length beyond the end", Uint8Array.of(0x3a, 0x7f), /127 bytes of ModelProto.graph/],
    ["a length of 4 GB", Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f), /4294967295 bytes/],
    ["a length of 2^60", Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f), /below 2\^32/],
    ["an endless varint", new Uint8Array(20).fill(0xff), /10 bytes/],
    ["an IR version of 2^60", Uint8Array.of(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10), /2\^53/],
    ["a name that is not UTF-8", Uint8Array.of(0x12, 1, 0xff), /UTF-8 as ModelProto.producerName/],
    ["a cut file", oracle("tiny-deploy.onnx").subarray(0, 100_000), /bytes of/],
    ["packed floats of 3 bytes", Uint8Array.of(0x3a, 7, 0x2a, 5, 0x22, 3, 0, 0, 0), /4 bytes of a number/],
  ])("%s", (_, bytes, message) => {
    expect(() => readOnnx(bytes)).toThrow(FormatError);
    expect(() => readOnnx(bytes)).toThrow(message);
  });

  test("a field of another wire type than ours is kept, not read", () => {
    const bytes = Uint8Array.from([...writeOnnx(modelOf([identity], [])), 0x38, 5]); // graph as a varint
    const model = readOnnx(bytes);
    expect(model.unknown).toEqual([Uint8Array.of(0x38, 5)]);
    expect(writeOnnx(model)).toEqual(bytes);
  });

  test("a million empty nodes are refused before they fill the memory", () => {
    const count = 1_000_000;
    const bytes = new Uint8Array(2 * count + 10);
    bytes.set([
      0x3a,
      0x80 | ((2 * count) & 127),
      0x80 | (((2 * count) >> 7) & 127),
      0x80 | (((2 * count) >> 14) & 127),
      (2 * count) >> 21,
    ]);
    for (let i = 0; i < count; i++) bytes[5 + 2 * i] = 0x0a;
    bytes.set([0x42, 2, 0x10, 17], 5 + 2 * count);
    expect(() => readOnnx(bytes.subarray(0, 2 * count + 9))).toThrow(/in proportion/);
  });
});
