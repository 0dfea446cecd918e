import { FormatError } from "../../core/errors.js";
import { bytesPerElement, type DType, toFloat64 } from "../../core/named-arrays.js";
import { arrayFromBytes, maxRank } from "../array-bytes.js";
import { describeValue, PickleGlobal, PickleObject, type PickleValue } from "./pickle-values.js";
import { TorchStorage, TorchTensor } from "./tensor.js";

/** Builtins that are only data. */
const harmlessBuiltins = new Set(
  "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple type".split(" "),
);

/** Modules from which no checkpoint needs anything, and every attack something. */
const dangerousModules = new Set(
  (
    "asyncio bdb cffi cgi code codeop commands ctypes dill importlib imp inspect io linecache marshal mmap multiprocessing nt " +
    "operator os pathlib pdb pickle _pickle cPickle pkgutil platform popen2 posix posixpath ntpath pty pydoc runpy shelve " +
    "shutil signal site socket ssl subprocess sys tempfile threading timeit trace types urllib urllib2 webbrowser http " +
    "requests _posixsubprocess _io functools joblib cloudpickle"
  ).split(" "),
);

/**
 * Refuses names that only a malicious pickle refers to. They could not do anything here (nothing is run), but their
 * presence says what the file is for, and other tools would run them.
 * @throws FormatError naming the global
 */
export function refuseDangerous(name: string): void {
  const [first, ...rest] = name.split(".");
  const builtin = first === "builtins" || first === "__builtin__" || first === "__builtins__";
  const dangerous =
    (builtin && !(rest.length === 1 && harmlessBuiltins.has(rest[0]!))) ||
    (dangerousModules.has(first!) && !harmlessFromDangerous.test(name)) ||
    /(^|\.)__\w+__(\.|$)/.test(rest.join("."));
  if (!dangerous) return;
  throw new FormatError({
    expected: "a checkpoint, which holds data only",
    received: `a pickle that asks Python to use ${JSON.stringify(name.slice(0, 100))}`,
    remedy:
      "nothing was run; get the weights elsewhere or, if you trust the file, have PyTorch save only model.state_dict()",
  });
}

/** Paths and enum-like values that configurations carry. */
const harmlessFromDangerous = /^(pathlib\.(Pure)?(Posix|Windows)?Path|types\.SimpleNamespace|functools\.partial)$/;

/** Asks for memory that a value takes besides its own few bytes. @throws FormatError when the pickle asks for too much. */
type Charge = (bytes: number) => void;

type Construct = (args: readonly PickleValue[], charge: Charge) => PickleValue;

/** The classes and functions whose values we make ourselves. */
const constructors: Readonly<Record<string, Construct>> = {
  "collections.OrderedDict": dictionary,
  "collections.defaultdict": () => new Map(),
  "builtins.dict": dictionary,
  "__builtin__.dict": dictionary,
  "builtins.set": set,
  "__builtin__.set": set,
  "torch.Size": ([sizes]) => sequence(sizes),
  "_codecs.encode": encodeLatin1,
  "numpy.core.multiarray.scalar": numpyScalar,
  "numpy._core.multiarray.scalar": numpyScalar,
  "torch._utils._rebuild_tensor": (args) => rebuildTensor(args),
  "torch._utils._rebuild_tensor_v2": (args) => rebuildTensor(args),
  "torch._utils._rebuild_tensor_v3": (args) => rebuildTensor(args, nameOf(args[6])),
  "torch._utils._rebuild_parameter": rebuildParameter,
  "torch._utils._rebuild_parameter_with_state": rebuildParameter,
  "torch.nn.parameter.Parameter": rebuildParameter,
  "torch._tensor._rebuild_from_type_v2": rebuildFromType,
};

/** The value of a call that a checkpoint asks for; undefined for globals that we do not know. */
export function constructGlobal(name: string, args: readonly PickleValue[], charge: Charge): PickleValue | undefined {
  return Object.hasOwn(constructors, name) ? constructors[name]!(args, charge) : undefined;
}

function dictionary([entries]: readonly PickleValue[], charge: Charge): PickleValue {
  const pairs = entries instanceof Map ? [...entries] : sequence(entries ?? []);
  charge(pairs.length * bytesPerEntry);
  return new Map(
    pairs.map((pair) => {
      if (!Array.isArray(pair) || pair.length !== 2) throw wrong("pairs for a dictionary", pair);
      return pair as [PickleValue, PickleValue];
    }),
  );
}

function set([elements]: readonly PickleValue[], charge: Charge): PickleValue {
  const list = sequence(elements ?? []);
  charge(list.length * bytesPerEntry);
  return new Set(list);
}

const bytesPerEntry = 48;

function sequence(value: PickleValue | undefined): PickleValue[] {
  if (!Array.isArray(value)) throw wrong("a list", value);
  return value;
}

/** Python 3 pickles bytes in protocol 2 as text in Latin-1. */
function encodeLatin1([text, encoding]: readonly PickleValue[], charge: Charge): PickleValue {
  if (typeof text !== "string" || encoding !== "latin1") throw wrong("text in Latin-1", text);
  charge(text.length);
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function rebuildTensor(args: readonly PickleValue[], dtypeName?: string): TorchTensor {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof TorchStorage)) throw wrong("a storage for a tensor", storage);
  if (!isSize(offset)) throw wrong("an offset for a tensor", offset);
  if (!isShape(shape) || !isShape(strides) || shape.length !== strides.length) {
    throw wrong("a shape and as many strides for a tensor", shape);
  }
  return new TorchTensor(storage, offset, [...shape], [...strides], dtypeName);
}

function rebuildParameter([data]: readonly PickleValue[]): PickleValue {
  if (!(data instanceof TorchTensor) && !(data instanceof PickleObject)) throw wrong("a tensor for a parameter", data);
  return data;
}

/** Tensors with attributes of their own: `(function, class, arguments, attributes)`. */
function rebuildFromType([callee, , args]: readonly PickleValue[], charge: Charge): PickleValue {
  if (!(callee instanceof PickleGlobal) || !callee.name.startsWith("torch._utils._rebuild_")) {
    throw wrong("a function of torch._utils that rebuilds a tensor", callee);
  }
  const list = sequence(args);
  return constructGlobal(callee.name, list, charge) ?? new PickleObject(callee.name, list);
}

const numpyDTypes: Readonly<Record<string, DType>> = {
  f8: "f64",
  f4: "f32",
  f2: "f16",
  i8: "i64",
  i4: "i32",
  i2: "i16",
  i1: "i8",
  u8: "u64",
  u4: "u32",
  u2: "u16",
  u1: "u8",
  b1: "bool",
};

/** A numpy scalar (`np.float64(0.7241)` in a checkpoint's accuracies) as a number. */
function numpyScalar(args: readonly PickleValue[]): PickleValue {
  const [type, bytes] = args;
  if (!(type instanceof PickleObject) || type.global !== "numpy.dtype") throw wrong("a numpy element type", type);
  const code = type.args[0];
  const dtype = typeof code === "string" && Object.hasOwn(numpyDTypes, code) ? numpyDTypes[code] : undefined;
  const bigEndian = Array.isArray(type.state) && type.state[1] === ">";
  if (dtype === undefined || bigEndian || !(bytes instanceof Uint8Array)) {
    return new PickleObject("numpy.core.multiarray.scalar", args);
  }
  if (bytes.length !== bytesPerElement[dtype]) throw wrong(`the bytes of one ${dtype}`, bytes);
  return toFloat64(arrayFromBytes(dtype, [], bytes))[0]!;
}

function nameOf(value: PickleValue | undefined): string {
  if (!(value instanceof PickleGlobal)) throw wrong("an element type of torch", value);
  return value.name;
}

function isSize(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** A tuple of sizes or strides. */
function isShape(value: PickleValue | undefined): value is number[] {
  return Array.isArray(value) && value.length <= maxRank && value.every(isSize);
}

function wrong(expected: string, received: PickleValue | undefined): FormatError {
  return new FormatError({ expected, received: `${describeValue(received)} in the pickle` });
}
