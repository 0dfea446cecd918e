import { FormatError, UserError } from "../core/errors.js";
import {
  bytesPerElement,
  type DType,
  elementCount,
  type NamedArray,
  type NamedArrays,
  storageConstructor,
} from "../core/named-arrays.js";
import { analyze } from "./analyze/analyze.js";
import type { AttributeValue, Dimension, Graph, GraphNode, ValueInfo } from "./graph.js";
import { hasSubgraph } from "./subgraphs.js";
import { validate } from "./validate.js";

const formatName = "repvgg-graph";
const formatVersion = "1";

/** int8 arrays of matrices and kernels whose numbers fit into 4 bits lie two in a byte, from this many on. */
const leastPacked = 64;

/** Whether a safetensors file's metadata says that it holds a whole graph of ours. */
export function isGraphFile(metadata: Readonly<Record<string, string>>): boolean {
  return metadata["format"] === formatName;
}

/**
 * A graph as the arrays and metadata of a safetensors file: its initializers by name as they are (quantized weights as int8, those that fit into 4 bits
 * two in a byte), its nodes as JSON in `graph`.
 * @throws UserError for control flow, which has no place there
 */
export function encodeGraph(graph: Graph): { arrays: NamedArrays; metadata: Record<string, string> } {
  const packed: Record<string, readonly number[]> = {};
  const arrays = new Map<string, NamedArray>();
  for (const [name, array] of graph.initializers) {
    const halves = packedArray(array);
    if (halves) packed[name] = array.shape;
    arrays.set(name, halves ?? array);
  }
  const nodes = graph.nodes.map((node) => {
    if (hasSubgraph(node)) {
      throw new UserError({
        expected: "a graph without control flow",
        received: `${node.op} "${node.name}"`,
        remedy: "write .onnx",
      });
    }
    const attributes = Object.entries(node.attributes).map(([name, value]) => [name, encodeAttribute(value)] as const);
    return { ...node, attributes: Object.fromEntries(attributes) };
  });
  const { name, inputs, outputs } = graph;
  const text = JSON.stringify({ name, inputs, outputs, nodes, packed });
  return { arrays, metadata: { format: formatName, version: formatVersion, graph: text } };
}

/**
 * The graph in a file. Everything is checked: every field, that values are written before they are read, and every node's operands.
 * @param file names the file in messages
 * @throws FormatError for what is no graph of ours
 */
export function decodeGraph(arrays: NamedArrays, metadata: Readonly<Record<string, string>>, file: string): Graph {
  if (metadata["version"] !== formatVersion) {
    throw new FormatError({
      expected: `graph file version ${formatVersion}`,
      received: `version ${metadata["version"]} in ${file}`,
      remedy: "update the package repvgg",
    });
  }
  try {
    const record = recordOf(JSON.parse(metadata["graph"] ?? ""));
    const packed = recordOf(record["packed"] ?? {});
    const initializers = new Map(
      [...arrays].map(([name, array]): [string, NamedArray] => [
        name,
        Object.hasOwn(packed, name) ? unpackedArray(array, numbersOf(packed[name])) : array,
      ]),
    );
    const graph: Graph = {
      name: textOf(record["name"]),
      inputs: listOf(record["inputs"]).map(valueInfoOf),
      outputs: listOf(record["outputs"]).map(valueInfoOf),
      nodes: listOf(record["nodes"]).map(nodeOf),
      initializers,
    };
    validate(graph);
    analyze(graph, { shapesOnly: true });
    return graph;
  } catch (error) {
    if (!(error instanceof UserError || error instanceof SyntaxError)) throw error;
    const received = error instanceof UserError ? error.message : "no JSON";
    throw new FormatError(
      {
        expected: `a graph in the metadata of ${file}`,
        received: received.replace(/^expected /, "not "),
        remedy: "write the file again",
      },
      { cause: error },
    );
  }
}

function packedArray({ dtype, shape, data }: NamedArray): NamedArray | undefined {
  if (dtype !== "i8" || shape.length < 2 || elementCount(shape) < leastPacked) return undefined;
  const values = data as Int8Array;
  if (!values.every((value) => value >= -8 && value <= 7)) return undefined;
  const bytes = new Uint8Array(Math.ceil(values.length / 2));
  for (const [i, value] of values.entries()) bytes[i >> 1] = bytes[i >> 1]! | ((value & 15) << (4 * (i & 1)));
  return { dtype: "u8", shape: [bytes.length], data: bytes };
}

function unpackedArray({ dtype, data }: NamedArray, shape: readonly number[]): NamedArray {
  const count = elementCount(shape);
  const fits = dtype === "u8" && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (!fits || data.length !== Math.ceil(count / 2))
    throw wrong("4-bit numbers two in a byte", `${dtype} [${data.length}] for [${shape}]`);
  const values = new Int8Array(count);
  for (let i = 0; i < count; i++) values[i] = ((Number(data[i >> 1]) >> (4 * (i & 1))) << 28) >> 28;
  return { dtype: "i8", shape, data: values };
}

/** JSON has no infinities: numbers that are none are written as text. */
const encodeNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

function encodeAttribute(value: AttributeValue): unknown {
  switch (value.type) {
    case "float":
      return { type: value.type, value: encodeNumber(value.value) };
    case "floats":
      return { type: value.type, value: value.value.map(encodeNumber) };
    case "tensor": {
      const { dtype, shape, data } = value.value;
      const numbers = Array.from(data as Iterable<number | bigint>, (x) =>
        typeof x === "bigint" ? String(x) : encodeNumber(x),
      );
      return { type: value.type, value: { dtype, shape, data: numbers } };
    }
    default:
      return value;
  }
}

function decodeAttribute(found: unknown): AttributeValue {
  const { type, value } = recordOf(found);
  switch (type) {
    case "int":
    case "float":
      return { type, value: numberOf(value) };
    case "string":
      return { type, value: textOf(value) };
    case "ints":
    case "floats":
      return { type, value: numbersOf(value) };
    case "strings":
      return { type, value: listOf(value).map(textOf) };
    case "tensor": {
      const { dtype, shape, data } = recordOf(value);
      const [type64, sizes, numbers] = [dtypeOf(dtype), numbersOf(shape), listOf(data)];
      if (numbers.length !== elementCount(sizes)) throw wrong(`${elementCount(sizes)} numbers`, `${numbers.length}`);
      const storage = new storageConstructor[type64](numbers.length);
      numbers.forEach((x, i) => {
        storage[i] = (
          storage instanceof BigInt64Array || storage instanceof BigUint64Array ? wholeOf(x) : numberOf(x)
        ) as never;
      });
      return { type, value: { dtype: type64, shape: sizes, data: storage } as NamedArray };
    }
    default:
      throw wrong("an attribute's type", JSON.stringify(type));
  }
}

function nodeOf(found: unknown): GraphNode {
  const { name, op, domain, opset, inputs, outputs, attributes } = recordOf(found);
  const values = Object.entries(recordOf(attributes)).map(([key, value]) => [key, decodeAttribute(value)] as const);
  return {
    ...{ name: textOf(name), op: textOf(op), domain: textOf(domain) },
    ...(opset !== undefined && { opset: numberOf(opset) }),
    inputs: listOf(inputs).map(textOf),
    outputs: listOf(outputs).map(textOf),
    attributes: Object.fromEntries(values),
  };
}

function valueInfoOf(found: unknown): ValueInfo {
  const { name, dtype, shape } = recordOf(found);
  const sizes =
    shape === undefined
      ? undefined
      : listOf(shape).map((size): Dimension => (typeof size === "string" ? size : numberOf(size)));
  return { name: textOf(name), dtype: dtypeOf(dtype), shape: sizes };
}

function dtypeOf(value: unknown): DType {
  if (typeof value === "string" && Object.hasOwn(bytesPerElement, value)) return value as DType;
  throw wrong("an element type", JSON.stringify(value));
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrong("an object", JSON.stringify(value));
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw wrong("a list", JSON.stringify(value));
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw wrong("text", JSON.stringify(value));
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  if (value === "Infinity" || value === "-Infinity" || value === "NaN") return Number(value);
  throw wrong("a number", JSON.stringify(value));
}

const numbersOf = (value: unknown): readonly number[] => listOf(value).map(numberOf);

function wholeOf(value: unknown): bigint {
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  throw wrong("a whole number", JSON.stringify(value));
}

const wrong = (expected: string, received: string | undefined): FormatError =>
  new FormatError({ expected, received: (received ?? "nothing").slice(0, 60) });
