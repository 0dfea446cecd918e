import { fileURLToPath } from "node:url";
import { types } from "node:util";
import { UserError } from "../core/errors.js";
import { viewOf } from "../core/view-of.js";
import type { ByteSource } from "../formats/byte-source.js";
import { FileSource } from "../formats/file-source.node.js";
import { readOnnxFile } from "../formats/onnx/file.node.js";
import { readSafetensorsFile } from "../formats/safetensors/file.node.js";
import { readTorchFile } from "../formats/torch/file.node.js";
import type { Net } from "./net.js";
import { netOfBytes } from "./net-bytes.js";
import { onnxNet } from "./onnx-net.js";
import { checkKey, type LoadOptions as ReadOptions, safetensorsNet, torchNet, withUnusedOptions } from "./read-net.js";
import { readBeside } from "./sidecar.node.js";
import type { Container } from "./sniff.js";
import { sniffFile } from "./sniff.node.js";

/** A file: its path (or file: URL), or its contents. */
export type NetFile = string | URL | Uint8Array | ArrayBuffer | SharedArrayBuffer | Blob;

/** How a file is read, and what it does not say itself. */
export interface FileLoadOptions extends ReadOptions {
  /** How errors and notes call a file that has no name. Default: "the file". */
  readonly name?: string;
}

/**
 * Reads any file that holds a net: our model files, PyTorch checkpoints (`.pth`, `.pt`), safetensors and ONNX, recognised by
 * content. Weights by name become a {@link Model} (RepVGG, RepVGGplus in the names of their authors, timm or mmpretrain) or a
 * graph (MobileOne in Apple's or timm's); structure and form are read off names and shapes. Class names and preprocessing that a file at a
 * path does not hold are read from a `.json` of the same name beside it (timm's `config.json`), where there is one.
 * @param source a path, or a file's contents (kept, not copied)
 * @throws UserError for a file of another kind or weights of another net, FormatError for a damaged file.
 */
export async function loadNet(source: NetFile, options: FileLoadOptions = {}): Promise<Net> {
  const { name: _, ...hints } = options;
  const file = await fileOf(source, options.name);
  if ("bytes" in file) return netOfBytes(file.bytes, file.name, hints);
  return readNet(file.path, await sniff(file.path, hints), hints);
}

/** What errors and notes call a source. */
export function nameOfSource(source: NetFile, given?: string): string {
  if (given !== undefined) return given;
  if (typeof source === "string") return source;
  if (source instanceof URL) return source.href;
  return source instanceof Blob && "name" in source && typeof source.name === "string" ? source.name : "the file";
}

/** @throws UserError for what is no file. */
export async function fileOf(
  source: NetFile,
  given?: string,
): Promise<{ readonly path: string } | { readonly bytes: Uint8Array; readonly name: string }> {
  if (typeof source === "string") return { path: source };
  const name = nameOfSource(source, given);
  if (source instanceof URL && source.protocol === "file:") return { path: fileURLToPath(source) };
  if (types.isUint8Array(source)) return { bytes: source, name };
  if (types.isAnyArrayBuffer(source)) return { bytes: viewOf(source), name };
  if (source instanceof Blob) return { bytes: new Uint8Array(await source.arrayBuffer()), name };
  throw new UserError({
    expected: "a model file: its path, a file: URL, or its contents (Uint8Array, ArrayBuffer, Blob)",
    received: source instanceof URL ? name : Object.prototype.toString.call(source).slice(8, -1),
    remedy: source instanceof URL ? "fetch it, and pass the answer's arrayBuffer()" : "pass one of these",
  });
}

/** A net whose weights stay in their file. */
export interface OpenNet {
  readonly net: Net;
  /** Closes the file: the net is of no use then. */
  close(): void;
}

/**
 * Opens a net whose weights stay in their file and are read when they are asked for, each time anew: for what takes every
 * weight once. Data files beside an ONNX file are read into memory. Reading fails when the file is changed meanwhile.
 * @throws as {@link loadNet}
 */
export async function openNet(path: string, options: ReadOptions = {}): Promise<OpenNet> {
  const container = await sniff(path, options);
  const source = FileSource.open(path);
  const close = (): void => source.close();
  try {
    return { net: await readNet(path, container, options, source), close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Works on a net that {@link openNet} opens.
 * @param work must not keep the net: afterwards the file is closed.
 */
export async function withNet<R>(path: string, options: ReadOptions, work: (net: Net) => Promise<R>): Promise<R> {
  const { net, close } = await openNet(path, options);
  try {
    return await work(net);
  } finally {
    close();
  }
}

async function readNet(path: string, container: Container, asked: ReadOptions, source?: ByteSource): Promise<Net> {
  const beside = container === "onnx" || asked.describe ? undefined : await readBeside(path);
  const options = { ...asked, beside };
  switch (container) {
    case "onnx":
      return withUnusedOptions(onnxNet(path, await readOnnxFile(path, source)), options);
    case "safetensors":
      return safetensorsNet(path, await readSafetensorsFile(path, source), options);
    case "torch": {
      const { key, ...hints } = options;
      return torchNet(path, await readTorchFile(path, key === undefined ? {} : { path: key }, source), hints);
    }
  }
}

async function sniff(path: string, options: ReadOptions): Promise<Container> {
  const container = await sniffFile(path);
  checkKey(container, path, options);
  return container;
}
