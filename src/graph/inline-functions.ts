import { FormatError } from "../core/errors.js";
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  ValueInfoProto,
} from "../formats/onnx/proto.js";
import { Names } from "./build.js";
import { graphsIn, namesWritten } from "./subgraphs.js";

/** Calls in calls in calls: deeper than any exporter goes, and an end to functions that call themselves. */
const deepest = 32;
/** Nodes of an inlined graph: a few functions that call one another twice each can ask for any number. */
const mostNodes = 2 ** 16;

/**
 * A model with its functions' nodes in the place of their calls, values and nodes renamed where names would meet. A function stays a call
 * (an operator that nobody here knows) where its nodes mean another operator set than the model's, or have subgraphs.
 * @throws FormatError for functions that call themselves, or grow beyond all measure
 */
export function inlineFunctions(model: ModelProto): ModelProto {
  const { functions = [], graph, ...rest } = model;
  if (functions.length === 0 || !graph) return model;
  const inliner = new Inliner(functions, model.opsetImport, graph);
  const node = inliner.inlined(graph.node, 0);
  const left = functions.filter((each) =>
    node.some((call) => keyOf(call.domain, call.opType, call.overload) === keyOfFunction(each)),
  );
  // A function that stays may call others.
  return {
    ...rest,
    graph: { ...graph, node, valueInfo: [...graph.valueInfo, ...inliner.valueInfo] },
    ...(left.length > 0 && { functions }),
  };
}

const keyOf = (domain = "", name = "", overload = ""): string =>
  JSON.stringify([domain === "ai.onnx" ? "" : domain, name, overload]);
const keyOfFunction = ({ domain, name, overload }: FunctionProto): string => keyOf(domain, name, overload);

class Inliner {
  readonly valueInfo: ValueInfoProto[] = [];
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  readonly #values: Names;
  readonly #nodes: Names;
  #count = 0;

  constructor(functions: readonly FunctionProto[], opsets: readonly OperatorSetIdProto[], graph: GraphProto) {
    this.#functions = new Map(
      functions.filter((each) => canStand(each, opsets)).map((each) => [keyOfFunction(each), each]),
    );
    this.#values = new Names([
      ...[...graph.input, ...graph.output, ...graph.initializer].map(({ name = "" }) => name),
      ...graph.node.flatMap(({ input, output }) => [...input, ...output]),
      ...namesWritten(graph.node.flatMap(({ attribute }) => attribute.flatMap(graphsIn))),
    ]);
    this.#nodes = new Names(graph.node.map(({ name = "" }) => name));
  }

  inlined(nodes: readonly NodeProto[], depth: number): NodeProto[] {
    return nodes.flatMap((node) => {
      const called = this.#functions.get(keyOf(node.domain, node.opType, node.overload));
      if (called) return this.#body(node, called, depth);
      if (++this.#count > mostNodes)
        throw new FormatError({ expected: `functions of at most ${mostNodes} nodes together`, received: "more" });
      return [node];
    });
  }

  #body(call: NodeProto, called: FunctionProto, depth: number): NodeProto[] {
    if (depth >= deepest) {
      throw new FormatError({ expected: "functions that do not call themselves", received: `"${called.name}"` });
    }
    const prefix = call.name || call.output.find((name) => name !== "") || called.name || "call";
    const names = new Map<string, string>([["", ""]]);
    called.input.forEach((name, i) => void names.set(name, call.input[i] ?? ""));
    called.output.forEach((name, i) => {
      if (call.output[i] && !names.has(name)) names.set(name, call.output[i]);
    });
    const named = (value: string): string => {
      const known = names.get(value);
      if (known !== undefined) return known;
      const own = this.#values.take(`${prefix}/${value}`);
      names.set(value, own);
      return own;
    };
    const given = new Map([...called.attributeProto, ...call.attribute].map((each) => [each.name, each]));
    const body = called.node.map((node): NodeProto => {
      const { name, attribute, input, output, ...rest } = node;
      return {
        ...rest,
        name: this.#nodes.take(`${prefix}/${name || output[0] || node.opType}`),
        input: input.map(named),
        output: output.map(named),
        attribute: attribute.flatMap((each) => resolved(each, given)),
      };
    });
    for (const info of called.valueInfo) {
      const own = names.get(info.name ?? "");
      if (own && !call.output.includes(own)) this.valueInfo.push({ ...info, name: own });
    }
    return this.inlined([...body, ...passedOn(called, call, names)], depth + 1);
  }
}

/** An output under another name than its value has by now: an input as it came, or one value given twice. */
function passedOn(called: FunctionProto, call: NodeProto, names: ReadonlyMap<string, string>): NodeProto[] {
  return called.output.flatMap((name, i) => {
    const [output, value] = [call.output[i], names.get(name)];
    if (!output || value === undefined || value === output) return [];
    return [{ name: `${output}/given`, opType: "Identity", input: [value], output: [output], attribute: [] }];
  });
}

/** An attribute that refers to one of the function's takes its value, under its own name; it is absent where the call says nothing. */
function resolved(attribute: AttributeProto, given: ReadonlyMap<string | undefined, AttributeProto>): AttributeProto[] {
  const { refAttrName, name, ...own } = attribute;
  if (!refAttrName) return [attribute];
  const value = given.get(refAttrName);
  return value ? [{ ...own, ...value, ...(name !== undefined && { name }) }] : [];
}

/** Whether a function's nodes mean the same in the model: the same versions of the operator sets that both use, and no subgraphs. */
function canStand({ opsetImport, node }: FunctionProto, opsets: readonly OperatorSetIdProto[]): boolean {
  const versionOf = (list: readonly OperatorSetIdProto[], wanted: string): number | undefined =>
    list.find(({ domain = "" }) => (domain === "ai.onnx" ? "" : domain) === wanted)?.version;
  const used = new Set(node.map(({ domain = "" }) => (domain === "ai.onnx" ? "" : domain)));
  const sameSets = [...used].every((domain) => {
    const own = versionOf(opsetImport, domain);
    return own === undefined || own === versionOf(opsets, domain);
  });
  return (
    sameSets && !node.some(({ attribute }) => attribute.some(({ g, graphs }) => g !== undefined || graphs.length > 0))
  );
}
