import { describe, expect, test } from "vitest";
import { FormatError, UserError } from "#repvgg/core/errors.js";
import { bytesPerElement, type DType, type NamedArray } from "#repvgg/core/named-arrays.js";
import { isLegacy } from "#repvgg/formats/torch/container.js";
import { refuseDangerous } from "#repvgg/formats/torch/globals.js";
import { PickleGlobal, PickleObject } from "#repvgg/formats/torch/pickle-values.js";
import { readTorch } from "#repvgg/formats/torch/read.js";
import { findStateDict } from "#repvgg/formats/torch/state-dict.js";
import { unpackModule } from "#repvgg/formats/torch/torch-module.js";
import { torchChunks, writeTorch } from "#repvgg/formats/torch/write.js";
import { pk, pth } from "./pickle-builder.js";
import { buildZip } from "./zip-builder.js";

const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];
const read = (opcodes: number[]): unknown => readTorch(pth(opcodes));
const one = [0x4b, 1];
const two = [0x4b, 2];
const three = [0x4b, 3];
const mark = 0x28;

/** A program for each opcode, and what Python gives for it. */
const programs: readonly (readonly [name: string, opcodes: number[], value: unknown])[] = [
  ["PROTO 5", [0x80, 5, ...one], 1],
  ["FRAME", [0x95, 2, 0, 0, 0, 0, 0, 0, 0, ...one], 1],
  ["NONE", [0x4e], null],
  ["NEWTRUE", [0x88], true],
  ["NEWFALSE", [0x89], false],
  ["SHORT_BINUNICODE", [0x8c, 2, 0xc3, 0xa9], "é"],
  ["SHORT_BINSTRING", [0x55, 2, ...ascii("ab")], "ab"],
  ["BINUNICODE", [0x58, 2, 0, 0, 0, ...ascii("ab")], "ab"],
  ["BINSTRING", [0x54, 2, 0, 0, 0, ...ascii("ab")], "ab"],
  ["BINUNICODE8", [0x8d, 2, 0, 0, 0, 0, 0, 0, 0, ...ascii("ab")], "ab"],
  ["a text that begins with a byte order mark", [0x8c, 4, 0xef, 0xbb, 0xbf, 0x61], "\ufeffa"],
  ["SHORT_BINBYTES", [0x43, 2, 7, 8], Uint8Array.of(7, 8)],
  ["BINBYTES", [0x42, 2, 0, 0, 0, 7, 8], Uint8Array.of(7, 8)],
  ["BINBYTES8", [0x8e, 2, 0, 0, 0, 0, 0, 0, 0, 7, 8], Uint8Array.of(7, 8)],
  ["BYTEARRAY8", [0x96, 2, 0, 0, 0, 0, 0, 0, 0, 7, 8], Uint8Array.of(7, 8)],
  ["POP of a value", [...one, ...two, 0x30], 1],
  ["POP of a mark", [...one, mark, 0x30], 1],
  ["POP of the inner of two marks", [mark, ...one, mark, 0x30, 0x74], [1]],
  ["POP above a mark, then TUPLE", [...one, mark, ...two, ...three, 0x30, 0x74], [2]],
  ["POP_MARK", [...one, mark, ...two, ...three, 0x31], 1],
  ["DUP", [...one, 0x32, 0x86], [1, 1]],
  ["EMPTY_TUPLE", [0x29], []],
  ["EMPTY_LIST", [0x5d], []],
  ["TUPLE1", [...one, ...two, 0x85], [2]],
  ["TUPLE2", [...one, ...two, ...three, 0x86], [2, 3]],
  ["TUPLE3", [...one, ...two, ...three, 0x87], [1, 2, 3]],
  ["TUPLE", [...one, mark, ...two, ...three, 0x74], [2, 3]],
  ["LIST", [mark, ...two, ...three, 0x6c], [2, 3]],
  ["APPEND", [0x5d, ...one, 0x61, ...two, 0x61], [1, 2]],
  ["APPENDS", [0x5d, mark, ...one, ...two, 0x65], [1, 2]],
  ["EMPTY_SET", [0x8f], new Set()],
  ["ADDITEMS", [0x8f, mark, ...one, ...two, ...one, 0x90], new Set([1, 2])],
  ["FROZENSET", [mark, ...one, ...two, 0x91], new Set([1, 2])],
  ["EMPTY_DICT", [0x7d], new Map()],
  ["DICT", [mark, ...one, ...two, ...two, ...three, 0x64], new Map([[1, 2], [2, 3]])], // biome-ignore format: pairs
  ["SETITEM", [0x7d, ...one, ...two, 0x73], new Map([[1, 2]])],
  ["SETITEMS", [0x7d, mark, ...one, ...two, ...two, ...three, 0x75], new Map([[1, 2], [2, 3]])], // biome-ignore format: pairs
  ["BINPUT and BINGET", [...one, 0x71, 200, ...two, 0x68, 200, 0x87 - 1], [2, 1]],
  ["LONG_BINPUT and LONG_BINGET", [...one, 0x72, 0, 1, 0, 0, ...two, 0x6a, 0, 1, 0, 0, 0x86], [2, 1]],
  ["MEMOIZE counts from 0", [...one, 0x94, ...two, 0x94, 0x68, 0, 0x68, 1, 0x86], [1, 2]],
  ["GLOBAL", [0x63, ...ascii("a.b\nC\n")], new PickleGlobal("a.b.C")],
  ["STACK_GLOBAL", [0x8c, 1, ...ascii("a"), 0x8c, 1, ...ascii("B"), 0x93], new PickleGlobal("a.B")],
  ["REDUCE", [...pk.global("a", "B"), ...one, 0x85, 0x52], new PickleObject("a.B", [1])],
  ["NEWOBJ", [...pk.global("a", "B"), ...one, 0x85, 0x81], new PickleObject("a.B", [1])],
  ["NEWOBJ_EX", [...pk.global("a", "B"), ...one, 0x85, 0x7d, 0x92], new PickleObject("a.B", [1])],
  ["BUILD of a dictionary's attributes", [0x7d, 0x7d, ...one, ...two, 0x73, 0x62], new Map()],
  [
    "BUILD",
    [...pk.global("a", "B"), 0x29, 0x81, ...two, 0x62],
    Object.assign(new PickleObject("a.B", []), { state: 2 }),
  ],
  [
    "items and elements of an object",
    [...pk.global("a", "B"), 0x29, 0x81, ...one, ...two, 0x73, mark, ...two, ...three, 0x65],
    Object.assign(new PickleObject("a.B", []), { entries: new Map([[1, 2]]), elements: [2, 3] }),
  ],
];

describe("opcodes", () => {
  test.each(programs)("%s", (_, opcodes, value) => expect(read(opcodes)).toEqual(value));

  test("all others are refused", () => {
    const known = new Set(
      [
        0x28, 0x29, 0x2e, 0x30, 0x31, 0x32, 0x42, 0x43, 0x47, 0x4a, 0x4b, 0x4d, 0x4e, 0x51, 0x52, 0x54, 0x55, 0x58,
        0x5d,
      ].concat(
        [0x61, 0x62, 0x63, 0x64, 0x65, 0x68, 0x6a, 0x6c, 0x71, 0x72, 0x73, 0x74, 0x75, 0x7d, 0x80, 0x81],
        [0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96],
      ),
    );
    for (let opcode = 0; opcode < 256; opcode++) {
      if (known.has(opcode)) continue;
      const name = `0x${opcode.toString(16).padStart(2, "0")}`;
      expect(() => read([...one, opcode]), name).toThrow(
        `an opcode of pickle protocols 2 to 5, received ${name} at byte 5`,
      );
    }
  });

  test.each<[string, number[], string, string]>([
    ["PROTO 6", [0x80, 6], "pickle protocol 2 to 5", "protocol 6 at byte 4"],
    ["DUP of nothing", [0x32], "a value on the stack", "an empty stack at byte 3"],
    ["DUP below a mark", [...one, mark, 0x32], "a value on the stack", "an empty stack at byte 6"],
    ["POP of nothing", [0x30], "a value on the stack", "an empty stack at byte 3"],
    ["TUPLE3 of two", [...one, ...two, 0x87], "a value on the stack", "an empty stack at byte 7"],
    ["APPENDS without a mark", [0x5d, ...one, 0x65], "a mark on the stack", "none at byte 6"],
    ["BINGET of the next number", [...one, 0x71, 1, 0x68, 2], "a value stored before", "memo 2 at byte 8"],
    ["one name of two a number", [...one, 0x8c, 1, 0x61, 0x93], "two names", "a string at byte 8"],
    ["the other", [0x8c, 1, 0x61, ...one, 0x93], "two names", "a number at byte 8"],
    [
      "a name of 1001 letters",
      [0x63, ...new Array(1001).fill(0x61), 10, 0x62, 10],
      "the name of a class",
      "1001 bytes at byte 1005",
    ],
    ["BUILD of a list", [0x5d, 0x7d, 0x62], "an object to set attributes of", "a list or tuple at byte 5"],
    ["BUILD of None", [0x4e, 0x7d, 0x62], "an object to set attributes of", "None at byte 5"],
    ["BUILD of a text", [0x55, 0, 0x7d, 0x62], "an object to set attributes of", "a string at byte 6"],
    [
      "SETITEMS of three",
      [0x7d, mark, ...one, ...two, ...three, 0x75],
      "keys and values in pairs",
      "3 items at byte 11",
    ],
    ["SETITEM of a set", [0x8f, ...one, ...two, 0x73], "a dictionary to set items of", "a set at byte 8"],
    ["APPEND to a dictionary", [0x7d, ...one, 0x61], "a list or set to append to", "a dictionary at byte 6"],
    ["LONG1 of bytes", [0x8b, 1, 1, 0, 0], "an integer of at most 256 bytes", "257 bytes at byte 7"],
    ["REDUCE of bytes", [0x43, 0, 0x29, 0x52], "the name of a class to build", "bytes at byte 6"],
    ["REDUCE by a name", [...pk.global("a", "B"), 0x32, 0x52], "a tuple of arguments", "the name a.B at byte 9"],
    [
      "NEWOBJ_EX by an object",
      [...pk.global("a", "B"), 0x32, 0x29, 0x52, 0x7d, 0x92],
      "a tuple of arguments",
      "an object of a.B at byte 12",
    ],
  ])("%s", (_, opcodes, expected, received) => {
    let error: unknown;
    try {
      read(opcodes);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ expected, received: `${received} of the pickle` });
  });

  test("a name of 1000 letters is one", () => {
    const name = new Array(1000).fill(0x61);
    expect(read([0x63, ...name, 10, 0x62, 10])).toMatchObject({ name: `${"a".repeat(1000)}.b` });
  });
});

describe("globals", () => {
  const harmless = [
    ..."bool bytearray bytes complex dict float frozenset int list object range set slice str tuple type"
      .split(" ")
      .flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`, `__builtins__.${name}`]),
    ...["Posix", "Windows", "PurePosix", "PureWindows", "Pure", ""].map((kind) => `pathlib.${kind}Path`),
    ...["types.SimpleNamespace", "functools.partial", "torch.FloatStorage", "argparse.Namespace", "mypackage.os"],
    ...["builtinsx.eval", "osx.system", "a.__b", "a.b__"],
  ];
  const dangerous = [
    ...(
      "asyncio bdb cffi cgi code codeop commands ctypes dill importlib imp inspect io linecache marshal mmap multiprocessing nt " +
      "operator os pathlib pdb pickle _pickle cPickle pkgutil platform popen2 posix posixpath ntpath pty pydoc runpy shelve " +
      "shutil signal site socket ssl subprocess sys tempfile threading timeit trace types urllib urllib2 webbrowser http " +
      "requests _posixsubprocess _io functools joblib cloudpickle"
    )
      .split(" ")
      .flatMap((module) => [`${module}.anything`, `${module}.path.join`]),
    ...["eval", "exec", "compile", "open", "getattr", "dict.fromkeys"].flatMap((name) =>
      ["builtins", "__builtin__", "__builtins__"].map((module) => `${module}.${name}`),
    ),
    ...["builtins", "pathlib.PosixPath.read_text", "xpathlib.Path.__class__", "torch.__dict__", "a.__b__.c"],
  ];

  test.each(harmless)("%s is data", (name) => expect(() => refuseDangerous(name)).not.toThrow());

  test.each(dangerous)("%s is refused", (name) => expect(() => refuseDangerous(name)).toThrow(FormatError));

  const pair = (value: number[]): number[] => [...pk.text("a"), ...value, 0x86];
  const pairs = [...pk.emptyList, ...pair(one), 0x61];
  const list = [mark, ...one, ...two, 0x6c];

  test.each<[string, number[], unknown]>([
    ["an OrderedDict of pairs", pk.call("collections", "OrderedDict", pairs), new Map([["a", 1]])],
    ["an OrderedDict of nothing", pk.call("collections", "OrderedDict"), new Map()],
    ["a defaultdict", pk.call("collections", "defaultdict", pk.global("builtins", "list")), new Map()],
    ["dict", pk.call("builtins", "dict", pk.dict(["a", one])), new Map([["a", 1]])],
    ["Python 2's dict", pk.call("__builtin__", "dict", pairs), new Map([["a", 1]])],
    ["set", pk.call("builtins", "set", list), new Set([1, 2])],
    ["Python 2's set", pk.call("__builtin__", "set", list), new Set([1, 2])],
    ["a set of nothing", pk.call("builtins", "set"), new Set()],
    ["a Size", pk.call("torch", "Size", list), [1, 2]],
    ["bytes of protocol 2", pk.call("_codecs", "encode", pk.text("aÿ"), pk.text("latin1")), Uint8Array.of(97, 255)],
  ])("%s", (_, opcodes, value) => expect(read(opcodes)).toEqual(value));

  test.each<[string, number[], RegExp]>([
    ["a dictionary of numbers", pk.call("builtins", "dict", list), /pairs for a dictionary/],
    ["a dictionary of triples", pk.call("builtins", "dict", [0x5d, ...one, ...one, ...one, 0x87, 0x61]), /pairs/],
    ["text in another encoding", pk.call("_codecs", "encode", pk.text("a"), pk.text("utf8")), /text in Latin-1/],
    ["a parameter of a number", pk.call("torch._utils", "_rebuild_parameter", one), /a tensor for a parameter/],
    [
      "a tensor of another function",
      pk.call("torch._tensor", "_rebuild_from_type_v2", pk.global("a", "b"), one, [0x29], one),
      /a function of torch\._utils/,
    ],
  ])("%s is refused", (_, opcodes, message) => expect(() => read(opcodes)).toThrow(message));

  const scalar = (code: string, bytes: number[], order = "<", module = "numpy.core.multiarray"): number[] => {
    const state = [mark, ...three, ...pk.text(order), 0x4e, 0x4e, 0x4e, 0x74];
    const type = [...pk.global("numpy", "dtype"), ...pk.text(code), 0x89, 0x88, 0x87, 0x52, ...state, 0x62];
    return pk.call(module, "scalar", type, [0x43, bytes.length, ...bytes]);
  };

  test.each<[string, number[], unknown]>([
    ["f8", [0, 0, 0, 0, 0, 0, 0xf8, 0xbf], -1.5],
    ["f4", [0, 0, 0xc0, 0xbf], -1.5],
    ["f2", [0, 0xbe], -1.5],
    ["i8", [0xfe, 255, 255, 255, 255, 255, 255, 255], -2],
    ["i4", [0xfe, 255, 255, 255], -2],
    ["i2", [0xfe, 255], -2],
    ["i1", [0xfe], -2],
    ["u8", [0xfe, 0, 0, 0, 1, 0, 0, 0], 2 ** 32 + 254],
    ["u4", [0xfe, 0, 0, 255], 0xff0000fe],
    ["u2", [0xfe, 255], 65534],
    ["u1", [0xfe], 254],
    ["b1", [1], 1],
  ])("a numpy scalar of %s", (code, bytes, value) => {
    expect(read(scalar(code, bytes))).toBe(value);
    expect(read(scalar(code, bytes, "|", "numpy._core.multiarray"))).toBe(value);
    expect(read(scalar(code, bytes, ">"))).toBeInstanceOf(PickleObject);
    expect(() => read(scalar(code, [...bytes, 0]))).toThrow(/the bytes of one/);
  });

  test("a numpy scalar of another kind stays as it is", () => {
    expect(read(scalar("U3", [1]))).toBeInstanceOf(PickleObject);
    expect(read(scalar("toString", [1]))).toBeInstanceOf(PickleObject);
  });
});

describe("ways to build a tensor", () => {
  const storages = { "0": Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16) };
  const weights = (value: number[]) =>
    findStateDict(readTorch(pth(pk.dict(["w.x", value]), storages))).arrays.get("w.x")!;
  const storage = (type = "ByteStorage", length = 16) => pk.storage(type, "0", length);
  const tuple = (...sizes: number[]): number[] => pk.tupleOf(...sizes.map(pk.int));
  const plain = pk.call("torch._utils", "_rebuild_tensor", storage(), one, tuple(2), tuple(3));
  const values = (array: NamedArray) => [...array.data].map(Number);

  test("whole storages by class", () => {
    const classes = {
      ...{ Double: "f64", Float: "f32", Half: "f16", BFloat16: "bf16", Long: "i64", Int: "i32", Short: "i16" },
      ...{ Char: "i8", Byte: "u8", Bool: "bool" },
    } as const satisfies Record<string, DType>;
    for (const [name, dtype] of Object.entries<DType>(classes)) {
      const count = 16 / bytesPerElement[dtype];
      for (const module of ["", "cuda.", "storage."]) {
        const array = weights(pk.tensor(storage(`${module}${name}Storage`, count), 0, [count], [1]));
        expect([array.dtype, array.data.length]).toEqual([dtype, count]);
      }
    }
    expect(() => weights(pk.tensor(storage("ComplexStorage", 2), 0, [2], [1]))).toThrow(/torch\.ComplexStorage/);
    expect(() => weights(pk.tensor(storage("FloatStorages", 2), 0, [2], [1]))).toThrow(/a storage class of torch/);
  });

  test("untyped storages by the tensor's own type", () => {
    const types: Record<string, DType> = {
      ...{ float64: "f64", float32: "f32", float16: "f16", bfloat16: "bf16", int64: "i64", int32: "i32", int16: "i16" },
      ...{ int8: "i8", uint64: "u64", uint32: "u32", uint16: "u16", uint8: "u8", bool: "bool" },
    };
    for (const [name, dtype] of Object.entries(types)) {
      const count = 16 / bytesPerElement[dtype];
      const tensor = (size: number): number[] => {
        const parts = [storage("storage.UntypedStorage"), pk.int(0), tuple(size), tuple(1), [0x89], pk.emptyDict];
        return pk.call("torch._utils", "_rebuild_tensor_v3", ...parts, pk.global("torch", name));
      };
      const array = weights(tensor(count));
      expect([array.dtype, array.data.length]).toEqual([dtype, count]);
      expect(() => weights(tensor(count + 1))).toThrow(/within its/);
    }
  });

  test("by each function of torch", () => {
    const built = pk.call(
      "torch._tensor",
      "_rebuild_from_type_v2",
      pk.global("torch._utils", "_rebuild_tensor_v2"),
      pk.global("torch", "Tensor"),
      pk.tupleOf(storage(), one, tuple(2), tuple(3), [0x89], pk.emptyDict),
      pk.emptyDict,
    );
    for (const tensor of [
      plain,
      built,
      pk.tensor(storage(), 1, [2], [3]),
      pk.call("torch._utils", "_rebuild_parameter", plain, [0x88], pk.emptyDict),
      pk.call("torch._utils", "_rebuild_parameter_with_state", plain, [0x88], pk.emptyDict, pk.emptyDict),
      pk.call("torch.nn.parameter", "Parameter", plain),
    ])
      expect(values(weights(tensor))).toEqual([2, 5]);
  });

  test.each<[string, number[], RegExp]>([
    ["a negative offset", pk.tensor(storage(), -1, [1], [1]), /an offset for a tensor/],
    [
      "a stride that is a text",
      pk.call("torch._utils", "_rebuild_tensor", storage(), one, tuple(1), pk.tupleOf(pk.text("1"))),
      /as many strides/,
    ],
    ["65 axes", pk.tensor(storage(), 0, new Array(65).fill(1), new Array(65).fill(1)), /a shape/],
    ["a storage of a negative length", pk.tensor(storage("ByteStorage", -1), 0, [1], [1]), /the length of storage "0"/],
    [
      "another kind of id",
      [...pk.tupleOf(pk.text("stored"), pk.global("torch", "ByteStorage"), pk.text("0"), pk.text("cpu"), one), 0x51],
      /persistent ids/,
    ],
    [
      "a class that is a text",
      [...pk.tupleOf(pk.text("storage"), pk.text("ByteStorage"), pk.text("0"), pk.text("cpu"), one), 0x51],
      /persistent ids/,
    ],
    [
      "a key that is a number",
      [...pk.tupleOf(pk.text("storage"), pk.global("torch", "ByteStorage"), one, pk.text("cpu"), one), 0x51],
      /persistent ids/,
    ],
  ])("%s is refused", (_, opcodes, message) => expect(() => weights(opcodes)).toThrow(message));

  test("64 axes are read", () => {
    expect(values(weights(pk.tensor(storage(), 5, new Array(64).fill(1), new Array(64).fill(1))))).toEqual([6]);
  });
});

describe("where weights are looked for", () => {
  const tensor = pk.tensor(pk.storage("FloatStorage", "0", 4), 0, [4], [1]);
  const find = (root: number[]) => findStateDict(readTorch(pth(root, { "0": new Uint8Array(16) })));
  const keys = [
    ...["model", "state_dict", "model_state_dict", "model_state", "module", "net", "network", "params", "weights"],
    ...["generator", "ema", "model_ema", "ema_state_dict", "state_dict_ema", "ema_model"],
  ];

  test("usual keys in their order", () => {
    const root = pk.dict(...keys.toReversed().map((key): [string, number[]] => [key, pk.dict(["a.w", tensor])]));
    expect(find(root)).toMatchObject({ chosen: "model", alternatives: keys.slice(1) });
  });

  test.each(keys)("%s is taken before others", (key) => {
    const root = pk.dict(
      ["a", pk.dict(["a.w", tensor])],
      [key, pk.dict(["a.w", tensor])],
      ["b", pk.dict(["a.w", tensor])],
    );
    expect(find(root)).toMatchObject({ chosen: key, alternatives: ["a", "b"] });
  });

  test("what is no tensor does not count: neither in the wrapped net nor beside it", () => {
    const numbers = Array.from({ length: 5 }, (_, i): [string, number[]] => [`n${i}`, one]);
    const few = pk.dict(["a.w", tensor], ["b.w", tensor], ["model", pk.dict(["c.w", tensor], ...numbers)]);
    expect(find(few)).toMatchObject({ chosen: "", alternatives: ["model"] });
    const many = pk.dict(["a.w", tensor], ...numbers, ["model", pk.dict(["c.w", tensor], ["d.w", tensor])]);
    expect(find(many)).toMatchObject({ chosen: "model", alternatives: [""] });
  });

  test("of two places of one path the first is meant", () => {
    const root = pk.dict(["a", pk.dict(["b", pk.dict(["x.w", tensor])])], ["a.b", pk.dict(["y.w", tensor])]);
    const file = pth(root, { "0": new Uint8Array(16) });
    expect([...findStateDict(readTorch(file), { path: "a.b" }).arrays.keys()]).toEqual(["x.w"]);
  });

  test("wrapping prefixes", () => {
    for (const prefix of ["module.", "_orig_mod.", "model."]) {
      const { arrays, prefixes } = find(pk.dict([`${prefix}a.w`, tensor], [`${prefix}b.w`, tensor]));
      expect([[...arrays.keys()], prefixes]).toEqual([["a.w", "b.w"], [prefix]]);
    }
  });

  test("32 wrappers are looked into, 33 are not", () => {
    const nested = (depth: number): number[] =>
      Array.from({ length: depth }).reduce<number[]>((inner) => pk.dict(["model", inner]), pk.dict(["a.w", tensor]));
    expect(find(nested(32)).chosen).toBe(new Array(32).fill("model").join("."));
    expect(() => find(nested(33))).toThrow(/a state dict/);
  });

  test("modules in modules, to the same depth, with their settings", () => {
    const module = (children: number[], setting: number[]): number[] => [
      ...pk.call("torch.nn", "Module"),
      ...pk.dict(
        ["_parameters", pk.dict(["w", tensor], ["bias", [0x4e]])],
        ["_buffers", pk.dict(["b", tensor])],
        ["_modules", children],
        ["kernel_size", setting],
        ["training", [0x88]],
      ),
      0x62,
    ];
    const nested = (depth: number): number[] =>
      Array.from({ length: depth }).reduce<number[]>(
        (inner) => module(pk.dict(["x", inner]), pk.tupleOf(one, two)),
        module(pk.emptyDict, pk.text("same")),
      );
    const { arrays, modules } = find(nested(1));
    expect([...arrays.keys()]).toEqual(["w", "b", "x.w", "x.b"]);
    expect([...modules]).toEqual([
      ["", { type: "torch.nn.Module", settings: new Map([["kernel_size", [1, 2]]]) }],
      ["x", { type: "torch.nn.Module", settings: new Map([["kernel_size", "same"]]) }],
    ]);
    expect(find(nested(32)).modules.size).toBe(33);
    expect(find(nested(33)).modules.size).toBe(33);
  });
});

describe("modules that are referred to from many places", () => {
  /** A module that has the next one twice, `depth` times. */
  function doubled(depth: number, parameters: ReadonlyMap<string, number>): PickleObject {
    let inner: PickleObject | undefined;
    for (let i = 0; i <= depth; i++) {
      const outer = new PickleObject("torch.nn.Module", []);
      outer.state = new Map<string, Map<string, PickleObject | number>>([
        ["_parameters", new Map(parameters)],
        ["_buffers", new Map()],
        ["_modules", new Map(inner ? ["a", "b"].map((name) => [name, inner!]) : [])],
      ]);
      inner = outer;
    }
    return inner!;
  }

  test("are read up to 100,000 modules, and a million weights", () => {
    expect(unpackModule(doubled(10, new Map()))!.modules.size).toBe(2 ** 11 - 1);
    expect(unpackModule(doubled(20, new Map()))!.modules.size).toBe(100_000);
    const many = new Map(Array.from({ length: 100 }, (_, i) => [String(i), i]));
    const { entries, modules } = unpackModule(doubled(14, many))!;
    expect([entries.size, modules.size]).toEqual([1_000_000, 10_000]);
  });

  test("are none without each of their three dictionaries", () => {
    for (const missing of ["_parameters", "_buffers", "_modules"]) {
      const module = doubled(0, new Map());
      (module.state as Map<string, unknown>).delete(missing);
      expect(unpackModule(module), missing).toBeUndefined();
    }
  });
});

describe("archives of other programs", () => {
  test.each<[string, string[], RegExp]>([
    ["NumPy", ["x.npy"], /received a NumPy archive \(\.npz\): save the weights/],
    ["Keras", ["metadata.json", "model.weights.h5"], /received a Keras or TensorFlow model: export/],
    ["Keras 2", ["net/keras_metadata.pb"], /received a Keras or TensorFlow model/],
    ["TensorFlow", ["net/saved_model.pb"], /received a Keras or TensorFlow model/],
    ["torch.export", ["serialized_exported_program.json"], /received a torch\.export program \(\.pt2\): export/],
    ["a later torch.export", ["net/models/model.json"], /received a torch\.export program/],
    ["its format", ["net/archive_format"], /received a torch\.export program/],
    ["PyTorch Mobile", ["net/bytecode.pkl"], /received a program of PyTorch Mobile: save the original's/],
    ["its debugger", ["mobile_debug_handles.pkl"], /received a program of PyTorch Mobile/],
    ["a folder", ["nets/a.pth"], /received an archive with nets in it: unzip it/],
    ["a folder of ONNX", ["a.onnx"], /received an archive with nets in it/],
    ["nobody", ["a", "b", "c", "d"], /received an archive of 4 other members \("a", "b", "c", …\): save/],
    ["nobody, with nothing", [], /received an archive of 0 other members: save/],
  ])("%s", (_, names, message) => {
    const file = buildZip(names.map((name) => ({ name, data: new Uint8Array(1) })));
    // An archive without members begins with its end, and is told apart by nobody.
    if (names.length === 0) expect(() => readTorch(file)).toThrow(FormatError);
    else expect(() => readTorch(file)).toThrow(message);
  });
});

describe("bytes of what is written", () => {
  const array: NamedArray = { dtype: "f32", shape: [2], data: Float32Array.of(1, -2) };

  test("headers, field by field, as PKWARE's APPNOTE 4.3.7, 4.3.12 and 4.3.16 have them", () => {
    const file = writeTorch(new Map([["w", array]]));
    const view = new DataView(file.buffer);
    const [u16, u32] = [(at: number) => view.getUint16(at, true), (at: number) => view.getUint32(at, true)];
    const end = file.length - 22;
    expect([u32(end), u32(end + 4), u16(end + 8), u16(end + 10), u16(end + 20)]).toEqual([0x06054b50, 0, 4, 4, 0]);
    expect(u32(end + 12) + u32(end + 16)).toBe(end);
    const names = ["data.pkl", "byteorder", "data/0", "version"].map((name) => `archive/${name}`);
    let at = u32(end + 16);
    let next = 0;
    for (const name of names) {
      const central = [u32(at), ...[4, 6, 8, 10, 12, 14].map((field) => u16(at + field))];
      expect(central, name).toEqual([0x02014b50, 20, 20, 0x0800, 0, 0, 0x21]);
      const [crc, stored, size, header] = [u32(at + 16), u32(at + 20), u32(at + 24), u32(at + 42)];
      expect([u16(at + 28), u16(at + 30), u16(at + 32), u16(at + 34), u16(at + 36), u32(at + 38)]).toEqual([
        ...[name.length, 0, 0, 0, 0, 0],
      ]);
      expect([...file.subarray(at + 46, at + 46 + name.length)]).toEqual(ascii(name));
      expect(header).toBe(next);
      const local = [u32(header), ...[4, 6, 8, 10, 12].map((field) => u16(header + field))];
      expect(local, name).toEqual([0x04034b50, 20, 0x0800, 0, 0, 0x21]);
      expect([u32(header + 14), u32(header + 18), u32(header + 22)]).toEqual([crc, stored, size]);
      expect([stored, u16(header + 26)]).toEqual([size, name.length]);
      expect([...file.subarray(header + 30, header + 30 + name.length)]).toEqual(ascii(name));
      const extra = header + 30 + name.length;
      expect([u16(extra), u16(extra + 2)]).toEqual([0x4246, u16(header + 28) - 4]);
      const start = extra + u16(header + 28);
      expect(start % 64, name).toBe(0);
      expect(u16(header + 28)).toBeLessThan(68);
      next = start + size;
      at += 46 + name.length;
    }
    expect(at).toBe(end);
  });

  test("sizes beyond 31 bits in the pickle", () => {
    const distinct = [0x12345678, 0x7fedcba9, 0x12_34_89abcdef]; // no two of their bytes are alike
    for (const size of [...distinct, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 2 ** 40 + 2 ** 33 + 1]) {
      const specs = new Map([["w.x", { dtype: "u8", shape: [1, size] } as const]]);
      const chunks = torchChunks(specs, () => {
        throw new Error("not asked for");
      });
      chunks.next();
      const pickle = chunks.next().value as Uint8Array;
      const root = readTorch(pth([...pickle.subarray(2, -1)])) as Map<string, unknown>;
      expect(root.get("w.x")).toMatchObject({ shape: [1, size], strides: [size, 1], storage: { length: size } });
    }
  });

  test("what has another size than was announced is not written", () => {
    const specs = new Map([["w", { dtype: "f32", shape: [3] } as const]]);
    expect(() => [...torchChunks(specs, () => array)]).toThrow();
  });

  test("4 GiB and 65,535 members are the most", async () => {
    const { storedZipChunks } = await import("#repvgg/formats/torch/zip-write.js");
    const zeros = new Uint8Array(2 ** 30);
    /** Bytes of the archive's end, when members of these sizes are written. */
    const ending = (sizes: readonly number[]): number => {
      let last = 0;
      const all = sizes.map((size) => ({ name: "a", bytes: () => zeros.subarray(0, size) }));
      for (const chunk of storedZipChunks(all, () => 0)) last = chunk.length;
      return last;
    };
    expect(ending(new Array(65_535).fill(0))).toBe(22);
    expect(() => ending(new Array(65_536).fill(0))).toThrow(UserError);
    // With its header of 64 bytes a member of this size takes a GiB.
    const quarter = 2 ** 30 - 64;
    expect(ending([quarter, quarter, quarter, quarter - 1])).toBe(22);
    expect(() => ending([quarter, quarter, quarter, quarter])).toThrow(/4 GiB/);
  });
});

describe("the format before PyTorch 1.6", () => {
  const pickle = (...opcodes: number[]): number[] => [0x80, 2, ...opcodes, 0x2e];
  const magic = pickle(0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19);
  const id = (key: string, length: number, more: number[], type = "FloatStorage"): number[] => [
    ...pk.tupleOf(pk.text("storage"), pk.global("torch", type), pk.text(key), pk.text("cpu"), pk.int(length), more),
    0x51,
  ];
  const [none, view] = [[0x4e], pk.tupleOf(pk.text("view"), one, one)];
  const u64 = (value: number): number[] => [value & 255, value >>> 8, 0, 0, 0, 0, 0, 0];
  const stored = (...values: number[]): number[] => [
    ...u64(values.length),
    ...new Uint8Array(Float32Array.from(values).buffer),
  ];
  const list = (...keys: number[][]): number[] => [0x5d, mark, ...keys.flat(), 0x65];
  const two4 = pk.dict(
    ["a.w", pk.tensor(id("7", 2, none), 0, [2], [1])],
    ["b.w", pk.tensor(id("8", 3, none), 1, [2], [1])],
    ["c.w", pk.tensor(id("7", 2, none), 1, [1], [1])],
  );
  const parts = {
    version: [0x4d, 0xe9, 3],
    system: pk.dict(["little_endian", [0x88]]),
    object: two4,
    keys: list(pk.text("8"), pk.text("7")),
    data: [...stored(1, 2, 3), ...stored(4, 5)],
  };
  const file = (change: Partial<typeof parts> = {}): Uint8Array => {
    const { version, system, object, keys, data } = { ...parts, ...change };
    const pickles = [version, system, object, keys].flatMap((opcodes) => pickle(...opcodes));
    return Uint8Array.from([...magic, ...pickles, ...data]);
  };
  const weights = (bytes: Uint8Array) =>
    [...findStateDict(readTorch(bytes)).arrays].map(([name, { data }]) => [name, ...[...data].map(Number)]);

  test("storages stand in the order of the keys, and may be used twice", () => {
    expect(weights(file())).toEqual([
      ["a.w", 4, 5],
      ["b.w", 2, 3],
      ["c.w", 5],
    ]);
    expect(weights(file({ system: none }))).toHaveLength(3);
    expect(weights(file({ system: pk.dict(["little_endian", none]) }))).toHaveLength(3);
  });

  test("a class that was saved with its code stands for its name", () => {
    const module = (type: number[]): number[] => [
      ...pk.tupleOf(pk.text("module"), type, pk.text("net.py"), pk.text("class Net: ...")),
      0x51,
    ];
    const root = (object: number[]) => readTorch(file({ object, keys: [0x5d], data: [] }));
    expect(root(module(pk.global("net", "Net")))).toEqual(new PickleGlobal("net.Net"));
    expect(root([...pk.tupleOf(pk.text("module")), 0x51])).toBeNull();
    expect(root([...module(pk.global("net", "Net")), 0x29, 0x81])).toEqual(new PickleObject("net.Net", []));
  });

  test.each<[string, Partial<typeof parts>, RegExp]>([
    ["another version", { version: [0x4d, 0xea, 3] }, /version 1001 of the format, received a number/],
    ["a version that is a text", { version: pk.text("1001") }, /version 1001 of the format, received a string/],
    ["a big-endian machine", { system: pk.dict(["little_endian", [0x89]]) }, /little-endian machine/],
    ["keys that are no list", { keys: pk.emptyDict }, /a list of storage keys, received a dictionary/],
    [
      "a key that is a number",
      { keys: list(one, pk.text("7")) },
      /the keys of the storages, each once, received a number/,
    ],
    ["a key that nobody mentions", { keys: list(pk.text("9")) }, /each once, received "9"/],
    ["a key twice", { keys: list(pk.text("8"), pk.text("8")) }, /each once, received "8"/],
    ["a view of a storage", { object: pk.dict(["w", id("7", 2, view)]) }, /storage "7" that stands for itself/],
    ["a view at a false place", { object: pk.dict(["w", id("7", 2, one)]) }, /storage "7" that stands for itself/],
    [
      "an untyped storage",
      { object: pk.dict(["w", id("7", 2, none, "UntypedStorage")]), keys: list(pk.text("7")) },
      /storage "7" of floats.*received torch\.UntypedStorage: convert/,
    ],
    ["storages that end early", { data: parts.data.slice(0, -1) }, /8 more bytes at byte \d+ of the storages/],
    ["a length that ends early", { data: stored(1, 2, 3) }, /8 more bytes at byte \d+ of the storages/],
    [
      "storages shorter than they were said to be",
      { data: [...stored(1, 2), ...stored(4, 5)] },
      /12 bytes.*received 8/,
    ],
    ["a storage that is not there", { keys: list(pk.text("8")), data: stored(1, 2, 3) }, /a storage "7" in the file/],
    ["another persistent id", { object: [...pk.tupleOf(pk.text("model"), one), 0x51] }, /persistent ids/],
  ])("%s is refused", (_, change, message) => {
    expect(() => weights(file(change))).toThrow(FormatError);
    expect(() => weights(file(change))).toThrow(message);
  });
});

test("PyTorch's magic number, byte by byte, in protocol 2 and behind the frame of 4 and 5", () => {
  const magic = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
  for (const start of [
    [0x80, 2],
    [0x80, 4, 0x95, 14, 0, 0, 0, 0, 0, 0, 0],
  ]) {
    const file = Uint8Array.from([...start, ...magic, 0x2e]);
    expect(isLegacy(file)).toBe(true);
    for (const at of [0, ...magic.map((_, i) => start.length + i)]) {
      const other = file.slice();
      other[at]! ^= 1;
      expect(isLegacy(other), `byte ${at}`).toBe(false);
    }
  }
});
