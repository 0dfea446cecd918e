import { buildZip } from "./zip-builder.js";

const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];

/** Pickle bytes of the opcodes that tests put together by hand. */
export const pk = {
  proto: [0x80, 2],
  stop: [0x2e],
  mark: [0x28],
  tuple: [0x74],
  reduce: [0x52],
  emptyDict: [0x7d],
  emptyList: [0x5d],
  setItem: [0x73],
  int: (value: number): number[] => [0x4a, ...u32(value >>> 0)],
  text: (text: string): number[] => [0x58, ...u32(ascii(text).length), ...ascii(text)],
  global: (module: string, name: string): number[] => [0x63, ...ascii(`${module}\n${name}\n`)],
  call: (module: string, name: string, ...args: number[][]): number[] => [
    ...pk.global(module, name),
    ...pk.mark,
    ...args.flat(),
    ...pk.tuple,
    ...pk.reduce,
  ],
  tupleOf: (...items: number[][]): number[] => [...pk.mark, ...items.flat(), ...pk.tuple],
  storage: (type: string, key: string, length: number): number[] => [
    ...pk.tupleOf(pk.text("storage"), pk.global("torch", type), pk.text(key), pk.text("cpu"), pk.int(length)),
    0x51,
  ],
  tensor: (storage: number[], offset: number, shape: number[], strides: number[]): number[] =>
    pk.call(
      "torch._utils",
      "_rebuild_tensor_v2",
      storage,
      pk.int(offset),
      pk.tupleOf(...shape.map(pk.int)),
      pk.tupleOf(...strides.map(pk.int)),
      [0x89],
      pk.emptyDict,
    ),
  dict: (...entries: [string, number[]][]): number[] => [
    ...pk.emptyDict,
    ...entries.flatMap(([key, value]) => [...pk.text(key), ...value, ...pk.setItem]),
  ],
};

/** A `.pth` of PyTorch's zip format around a pickle's opcodes. */
export function pth(
  opcodes: number[],
  storages: Record<string, Uint8Array> = {},
  extra: Record<string, string> = {},
): Uint8Array {
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  return buildZip([
    { name: "archive/data.pkl", data: Uint8Array.from([...pk.proto, ...opcodes, ...pk.stop]) },
    ...Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data })),
    ...Object.entries(extra).map(([name, content]) => ({ name: `archive/${name}`, data: text(content) })),
    { name: "archive/version", data: text("3\n") },
  ]);
}
