import { UserError } from "../core/errors.js";
import { writeOnnxFile } from "../formats/onnx/file.node.js";
import { writeSafetensorsFile } from "../formats/safetensors/file.node.js";
import { writeTorchFile } from "../formats/torch/file.node.js";
import { netContents, type SaveOptions } from "./encode-net.js";
import type { Net } from "./net.js";
import { checkBeside, removeBeside, writeBeside } from "./sidecar.node.js";
import type { Container } from "./sniff.js";

export type { SaveOptions };

const endings: Readonly<Record<string, Container>> = {
  ".safetensors": "safetensors",
  ".pth": "torch",
  ".pt": "torch",
  ".onnx": "onnx",
};

/** What a path's ending asks for. @throws UserError for another ending: checked before long work. */
export function outputFormat(path: string): Container {
  const ending = Object.keys(endings).find((candidate) => path.toLowerCase().endsWith(candidate));
  if (ending) return endings[ending]!;
  throw new UserError({
    expected: `a file name that ends in ${Object.keys(endings).join(", ")}`,
    received: path === "" ? "an empty name" : path,
    remedy: "the ending chooses the format",
  });
}

/**
 * Writes a net in the format of the path's ending (`.safetensors`, `.pth`, `.pt` or `.onnx`), whole or not at all.
 * Beside a `.pth`, and beside weights in timm's names, class names and preprocessing go into a `.json` of the same name (timm's `config.json`),
 * which {@link loadNet} reads.
 * @throws UserError for an ending, a scheme or an operator set that does not fit, or weights beyond float16.
 */
export async function saveNet(net: Net, path: string, options: SaveOptions = {}): Promise<void> {
  const contents = netContents(net, outputFormat(path), path, options);
  if (contents.container === "onnx") return writeOnnxFile(path, contents.model);
  const { beside } = contents;
  if (beside !== undefined) await checkBeside(path);
  // New weights beside an old description would be read by it: whatever happens in between, none is better.
  await removeBeside(path);
  if (contents.container === "torch") await writeTorchFile(path, contents.arrays);
  else await writeSafetensorsFile(path, contents.arrays, contents.metadata);
  if (beside !== undefined) await writeBeside(path, beside);
}
