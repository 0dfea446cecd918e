import { withContext } from "../formats/error-context.js";
import { readSafetensors } from "../formats/safetensors/read.js";
import { findStateDict } from "../formats/torch/state-dict.js";
import type { Net } from "./net.js";
import { checkKey, type LoadOptions, safetensorsNet, torchNet, withUnusedOptions } from "./read-net.js";
import { containerOf, headBytes } from "./sniff.js";

/**
 * The net in a file's bytes, whose kind they show. They are kept, not copied.
 * @param name how errors and notes call the file
 * @throws UserError for a file of another kind or weights of another net, FormatError for a damaged one.
 */
export async function netOfBytes(bytes: Uint8Array, name: string, options: LoadOptions = {}): Promise<Net> {
  const container = containerOf(bytes.subarray(0, headBytes), bytes.length, name);
  checkKey(container, name, options);
  // Bundlers make the readers of what few pages meet files of their own.
  switch (container) {
    case "onnx":
      return withUnusedOptions((await import("./onnx-bytes.js")).netOfOnnxBytes(bytes, name), options);
    case "safetensors":
      return safetensorsNet(
        name,
        withContext(`in ${name}`, () => readSafetensors(bytes)),
        options,
      );
    case "torch": {
      const { readTorch } = await import("../formats/torch/read.js");
      const where = options.key === undefined ? {} : { path: options.key };
      return torchNet(
        name,
        withContext(`in ${name}`, () => findStateDict(readTorch(bytes), where)),
        options,
      );
    }
  }
}
