import type { ByteSource } from "../formats/byte-source.js";
import { FileSource } from "../formats/file-source.node.js";
import { readOnnxFile } from "../formats/onnx/file.node.js";
import { readSafetensorsFile } from "../formats/safetensors/file.node.js";
import { readTorchFile } from "../formats/torch/file.node.js";
import type { Net } from "./net.js";
import { onnxNet } from "./onnx-net.js";
import { checkKey, type LoadOptions, safetensorsNet, torchNet, withUnusedOptions } from "./read-net.js";
import { readBeside } from "./sidecar.node.js";
import type { Container } from "./sniff.js";
import { sniffFile } from "./sniff.node.js";

export type { LoadOptions };

/**
 * Reads any file that holds a net: our model files, PyTorch checkpoints (`.pth`, `.pt`), safetensors and ONNX, recognised by
 * content. Weights by name become a {@link Model} (RepVGG, RepVGGplus in the names of their authors, timm or mmpretrain) or a
 * graph (MobileOne in Apple's or timm's); structure and form are read off names and shapes. Class names and preprocessing that the file
 * does not hold are read from a `.json` of the same name beside it (timm's `config.json`), where there is one.
 * @throws UserError for a file of another kind or weights of another net, FormatError for a damaged file.
 */
export async function loadNet(path: string, options: LoadOptions = {}): Promise<Net> {
  const container = await sniff(path, options);
  return readNet(path, container, options);
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
export async function openNet(path: string, options: LoadOptions = {}): Promise<OpenNet> {
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
export async function withNet<R>(path: string, options: LoadOptions, work: (net: Net) => Promise<R>): Promise<R> {
  const { net, close } = await openNet(path, options);
  try {
    return await work(net);
  } finally {
    close();
  }
}

async function readNet(path: string, container: Container, asked: LoadOptions, source?: ByteSource): Promise<Net> {
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

async function sniff(path: string, options: LoadOptions): Promise<Container> {
  const container = await sniffFile(path);
  checkKey(container, path, options);
  return container;
}
