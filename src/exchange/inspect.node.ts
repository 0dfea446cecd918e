import { elementCount } from "../core/named-arrays.js";
import { FileSource } from "../formats/file-source.node.js";
import { readSafetensors } from "../formats/safetensors/read.js";
import { findPlaces, type Place } from "../formats/torch/places.js";
import { readTorch } from "../formats/torch/read.js";
import { TorchTensor } from "../formats/torch/tensor.js";
import { sniffFile } from "./sniff.node.js";

/** A tensor in a file, by what the file says of it. */
export interface TensorFact {
  readonly name: string;
  /** As the file calls it: `F32`, `torch.FloatStorage`. */
  readonly type: string;
  readonly shape: readonly number[];
}

/** Tensors by name at one place of a file. */
export interface WeightsFact {
  /** Keys from the top: "" for the whole file. */
  readonly path: string;
  /** Class of the module that was pickled there. */
  readonly module?: string;
  readonly numbers: number;
  readonly tensors: readonly TensorFact[];
}

/** What is in a file of weights, whatever net they belong to. */
export interface FileContents {
  readonly format: "safetensors" | "torch";
  readonly weights: readonly WeightsFact[];
}

/**
 * What a PyTorch checkpoint or a safetensors file holds; no tensor is read.
 * @returns undefined for ONNX, which says itself what it is
 * @throws UserError or FormatError when the file cannot be read as what it is.
 */
export async function inspectFile(path: string): Promise<FileContents | undefined> {
  const format = await sniffFile(path);
  if (format === "onnx") return undefined;
  const source = FileSource.open(path);
  try {
    if (format === "torch") {
      const { usual, unusual, other } = findPlaces(readTorch(source));
      return { format, weights: [...usual, ...unusual, ...other].map(factsOf) };
    }
    const tensors = [...readSafetensors(source).arrays].map(([name, { dtype, shape }]) => ({
      name,
      type: dtype,
      shape,
    }));
    return { format, weights: [{ path: "", numbers: numbersOf(tensors), tensors }] };
  } finally {
    source.close();
  }
}

function factsOf({ path, entries, modules }: Place): WeightsFact {
  const tensors = [...entries].flatMap(([name, value]): TensorFact[] =>
    value instanceof TorchTensor ? [{ name, type: value.dtypeName ?? value.storage.typeName, shape: value.shape }] : [],
  );
  const module = modules.get("")?.type;
  return { path, ...(module !== undefined && { module }), numbers: numbersOf(tensors), tensors };
}

function numbersOf(tensors: readonly TensorFact[]): number {
  return tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}
