import type { Net } from "../exchange/net.js";
import { netOfBytes } from "../exchange/net-bytes.js";
import { modelOf, type LoadOptions as ReadOptions } from "../exchange/read-net.js";
import { looksPublished } from "../hub/address.js";
import type { Model } from "../nn/model.js";
import { type FetchOptions, fetchBytes, readBody } from "./fetch-bytes.js";
import type { PublishedOptions } from "./published.js";

/** A file: its address (relative to the page), or its contents; a published net: what its hub calls it. */
export type FileSource = string | URL | Blob | ArrayBuffer | Uint8Array;

/** How a file is read, and what it does not say itself. */
export interface LoadOptions extends ReadOptions, FetchOptions, PublishedOptions {
  /** How errors and notes call a file that has no name. Default: "the file". */
  readonly name?: string;
}

/**
 * Reads any file that holds a net: our model files, PyTorch checkpoints (`.pth`, `.pt`), safetensors and ONNX (in one file), recognised
 * by content. Structure and form are read off names and shapes. "owner/name" and "owner/name:file" without an ending of weights is a
 * published net, as in Node (`timm/repvgg_a0.rvgg_in1k`): of an address that looks so write "./owner/name".
 * @param source an address, a published net's name, a file that was chosen or dropped, or bytes (kept, not copied)
 * @throws UserError for a file of another kind or weights of another net, FormatError for a damaged file; the signal's reason.
 */
export async function loadNet(source: FileSource, options: LoadOptions = {}): Promise<Net> {
  if (typeof source === "string" && looksPublished(source)) {
    // Few pages need it, and it brings the names of ImageNet's classes.
    return (await import("./published.js")).publishedNet(source, options);
  }
  const { signal, onProgress: _, cache: __, name: ___, hub: ____, revision: _____, ...hints } = options;
  const { bytes, name } = await readFile(source, options);
  signal?.throwIfAborted();
  return netOfBytes(bytes, name, hints);
}

/**
 * Reads a RepVGG: a model file of ours, a PyTorch checkpoint or safetensors; see {@link loadNet}.
 * @throws UserError for a missing or unreadable file or another net, FormatError for one that is damaged.
 */
export async function loadModel(source: FileSource, options: LoadOptions = {}): Promise<Model> {
  return modelOf(await loadNet(source, options), nameOf(source, options.name));
}

/** A file's bytes, and what errors call it. */
export async function readFile(
  source: FileSource,
  options: FetchOptions & { readonly name?: string } = {},
): Promise<{ readonly bytes: Uint8Array; readonly name: string }> {
  const name = nameOf(source, options.name);
  if (source instanceof Uint8Array) return { bytes: source, name };
  if (source instanceof ArrayBuffer) return { bytes: new Uint8Array(source), name };
  if (source instanceof Blob) {
    options.signal?.throwIfAborted();
    const response = new Response(source, { headers: { "Content-Length": String(source.size) } });
    return { bytes: await readBody(response, false, options.signal, options.onProgress), name };
  }
  return { bytes: await fetchBytes(new URL(source, globalThis.location?.href), options), name };
}

function nameOf(source: FileSource, given: string | undefined): string {
  if (given !== undefined) return given;
  if (typeof source === "string") return source;
  if (source instanceof URL) return source.href;
  return typeof File !== "undefined" && source instanceof File ? source.name : "the file";
}
