import { describe, expect, it } from "vitest";
import { type DType, f32, type NamedArray } from "#repvgg/core/named-arrays.js";
import { encodeAttribute } from "#repvgg/formats/onnx/model.js";
import { attributeType, emptyAttribute } from "#repvgg/formats/onnx/proto.js";
import { int } from "#repvgg/graph/attributes.js";
import { int64, node, valueInfo } from "#repvgg/graph/build.js";
import { checkFile } from "#repvgg/graph/check-file.js";
import type { AttributeValue, Graph, GraphNode, ValueInfo } from "#repvgg/graph/graph.js";
import { castFloats } from "#repvgg/graph/precision.js";
import { toOnnx } from "#repvgg/graph/to-onnx.js";

type Constants = Readonly<Record<string, NamedArray>>;

const graphOf = (
  nodes: readonly GraphNode[],
  outputs: readonly string[],
  {
    inputs = [],
    constants = {},
    dtype = "f32",
  }: { inputs?: readonly ValueInfo[]; constants?: Constants; dtype?: DType } = {},
): Graph => ({
  name: "g",
  inputs,
  outputs: outputs.map((name) => ({ name, dtype, shape: undefined })),
  nodes,
  initializers: new Map(Object.entries(constants)),
});

function body(name: string, graph: Graph): AttributeValue {
  const attribute = { ...emptyAttribute, name, type: attributeType.graph, g: toOnnx(graph).graph! };
  return { type: "opaque", onnxType: attributeType.graph, bytes: encodeAttribute(attribute) };
}

const x = valueInfo("x", [1, 2]);
const one = f32([2], Float32Array.of(1, 2));
const truth: NamedArray = { dtype: "bool", shape: [], data: Uint8Array.of(1) };

/** x → Relu → r; then an If that reads both from inside. */
function branching(then: Graph, otherwise: Graph, last: readonly GraphNode[] = []): Graph {
  const choose = node("If", "if", ["truth"], ["y"], {
    then_branch: body("then_branch", then),
    else_branch: body("else_branch", otherwise),
  });
  return graphOf([node("Relu", "relu", ["x"], ["r"]), choose, ...last], ["y"], {
    inputs: [x],
    constants: { truth, k: one },
  });
}

const plus = (operand: string, constants: Constants = {}) =>
  graphOf([node("Add", "inner", ["r", operand], ["sum"])], ["sum"], { constants });

/** A Loop that carries x. */
function looping(carried: DType, operand = "state"): Graph {
  const inputs = [valueInfo("at", [], "i64"), valueInfo("go", [], "bool"), valueInfo("state", [1, 2], carried)];
  const nodes = [node("Identity", "keep", ["go"], ["going"]), node("Neg", "step", [operand], ["next"])];
  const loop = node("Loop", "loop", ["count", "truth", "x"], ["y"], {
    body: body("body", graphOf(nodes, ["going", "next"], { inputs })),
  });
  return graphOf([loop], ["y"], {
    inputs: [x],
    constants: { truth, count: { dtype: "i64", shape: [], data: BigInt64Array.of(3n) } },
  });
}

describe("checkFile inside of control flow", () => {
  it("takes bodies that read what is written before them, and their own", () => {
    checkFile(branching(plus("k"), plus("own", { own: one })), 17);
    checkFile(looping("f32"), 17);
    // What the node around them gives is left to it where nothing tells.
    checkFile({ ...branching(plus("k"), plus("x")), outputs: [] }, 17);
  });

  it.each<[string, Graph, RegExp]>([
    ["a value that is not there", branching(plus("k"), plus("nowhere")), /input "nowhere" of Add "inner" to exist/],
    [
      "a value that is written later",
      branching(plus("late"), plus("k"), [node("Neg", "negative", ["r"], ["late"])]),
      /input "late" of Add "inner" to exist/,
    ],
    [
      "what the branch beside gives",
      branching(plus("k"), graphOf([], ["sum"])),
      /output to be written by a node, received "sum"/,
    ],
    [
      "a value that is written twice",
      branching(plus("k"), graphOf([node("Neg", "a", ["r"], ["s"]), node("Abs", "b", ["r"], ["s"])], ["s"])),
      /"s", written again by Abs "b"/,
    ],
    [
      "operands of other types",
      branching(plus("k"), plus("h", { h: int64([1, 2]) })),
      /B of type f32, as A has it in Add "inner", received i64/,
    ],
    [
      "operands that do not broadcast",
      branching(plus("k"), plus("h", { h: f32([3], new Float32Array(3)) })),
      /shapes that broadcast in Add "inner"/,
    ],
    [
      "branches of other types",
      branching(plus("k"), graphOf([node("Cast", "c", ["r"], ["i"], { to: int(7) })], ["i"])),
      /"i" of type f32, as If "if" gives it, received i64/,
    ],
    [
      "branches that give more",
      branching(plus("k"), graphOf([node("Neg", "n", ["r"], ["m"])], ["m", "r"])),
      /1 outputs of each branch of If "if", received 2/,
    ],
    ["a body that takes another type", looping("f16"), /"state" of type f16 for the body of Loop "loop", received f32/],
    ["a body that reads another name", looping("f32", "other"), /input "other" of Neg "step" to exist/],
  ])("refuses %s", (_, graph, message) => {
    expect(() => checkFile(graph, 17)).toThrow(message);
  });

  it("sees a branch two levels down", () => {
    const inner = branching(plus("k"), plus("nowhere"));
    const outer = node("If", "outer", ["truth"], ["z"], {
      then_branch: body("then_branch", { ...inner, inputs: [] }),
      else_branch: body("else_branch", graphOf([node("Neg", "n", ["x"], ["m"])], ["m"])),
    });
    const graph = graphOf([outer], ["z"], { inputs: [x], constants: { truth } });
    expect(() => checkFile(graph, 17)).toThrow(/input "nowhere" of Add "inner" to exist/);
  });

  it("finds that constants around a body were stored as another type, and those inside were not", () => {
    const graph = branching(plus("k"), plus("own", { own: one }));
    expect(() => checkFile(castFloats(graph, "f16"), 17)).toThrow(/Add "inner"/);
  });

  it("leaves constants and values of other kinds alone", () => {
    const strings = toOnnx(plus("k")).graph!;
    const words = {
      ...strings,
      initializer: [{ name: "words", dims: [1], dataType: 8 } as unknown as (typeof strings.initializer)[0]],
    };
    const bytes = encodeAttribute({ ...emptyAttribute, name: "then_branch", type: attributeType.graph, g: words });
    const graph = branching(plus("k"), plus("k"));
    const [relu, choose] = graph.nodes;
    const changed = {
      ...choose!,
      attributes: { ...choose!.attributes, then_branch: { type: "opaque", onnxType: 5, bytes } as const },
    };
    checkFile({ ...graph, nodes: [relu!, changed] }, 17);
  });
});
