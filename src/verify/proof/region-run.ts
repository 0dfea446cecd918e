import type { NamedArray } from "../../core/named-arrays.js";
import { toFloat64 } from "../../core/named-arrays.js";
import { attribute, float, floatAttribute, intAttribute } from "../../graph/attributes.js";
import { evaluate } from "../../graph/evaluate/evaluate.js";
import type { Graph, GraphNode } from "../../graph/graph.js";
import { windowOf } from "../../graph/window.js";
import { convolve } from "./convolve.js";
import type { Measured } from "./measured.js";

/** Constants that nodes read, by name. */
export type Constants = Graph["initializers"];

/**
 * Runs nodes that are linear in one source, in float64: convolutions by a dot product a number, all others by the operators'
 * definitions. Magnitudes come from the same nodes with every constant, every sign and every difference taken positive.
 * @throws UserError where an operator is unknown or a shape does not fit.
 */
export function runLinear(
  nodes: readonly GraphNode[],
  constants: Constants,
  source: string,
  input: Measured,
  output: string,
): Measured {
  const values = new Map<string, Measured>([[source, input]]);
  for (const node of nodes) {
    const results = convolution(node, constants, values) ?? byDefinition(node, constants, values);
    node.outputs.forEach((name, i) => {
      if (name !== "" && results[i]) values.set(name, results[i]);
    });
  }
  return values.get(output)!;
}

function convolution(
  node: GraphNode,
  constants: Constants,
  values: ReadonlyMap<string, Measured>,
): Measured[] | undefined {
  if (node.op !== "Conv" || node.domain !== "") return undefined;
  const [x, weight, bias] = [values.get(node.inputs[0]), constants.get(node.inputs[1]), node.inputs[2]];
  const biasArray = bias ? constants.get(bias) : undefined;
  if (!x || weight?.shape.length !== 4 || x.shape.length !== 4 || (bias && !biasArray)) return undefined;
  const groups = intAttribute(node, "group", 1);
  const { strides, dilations, pads } = windowOf(node, weight.shape.slice(2), x.shape.slice(2));
  if (!pads || weight.shape[1] * groups !== x.shape[1] || weight.shape[0] % groups !== 0) return undefined;
  return [
    convolve(x, numbers(weight), biasArray && toFloat64(biasArray), {
      ...{ outChannels: weight.shape[0], groups, kernelSize: weight.shape.slice(2), strides, dilations, pads },
    }),
  ];
}

const numbers = (array: NamedArray): Float32Array | Float64Array =>
  array.dtype === "f32" ? array.data : toFloat64(array);

function byDefinition(node: GraphNode, constants: Constants, values: ReadonlyMap<string, Measured>): Measured[] {
  const run = (of: GraphNode, part: "value" | "magnitude") => {
    const initializers = new Map<string, NamedArray>();
    for (const name of of.inputs) {
      const computed = values.get(name);
      const constant = constants.get(name.replace(negated, ""));
      if (computed) initializers.set(name, { dtype: "f64", shape: computed.shape, data: computed[part] });
      else if (constant)
        initializers.set(name, part === "value" ? constant : positive(constant, name.endsWith(negated) ? -1 : 1));
    }
    const wanted = of.outputs.filter((name) => name !== "");
    const graph: Graph = { name: "", inputs: [], outputs: [], nodes: [of], initializers };
    const results = evaluate(graph, new Map(), wanted);
    return of.outputs.map((name) => results.get(name));
  };
  const magnitudes = run(positiveNode(node), "magnitude");
  return run(node, "value").map((result, i) => {
    if (!result) return { shape: [], value: new Float64Array(0), magnitude: new Float64Array(0) };
    return { shape: result.shape, value: result.data, magnitude: magnitudes[i]!.data.map(Math.abs) };
  });
}

/** Integers are places and sizes, and stay. */
function positive(array: NamedArray, sign: 1 | -1): NamedArray {
  if (!/^b?f/.test(array.dtype)) return array;
  return { dtype: "f64", shape: array.shape, data: toFloat64(array).map((value) => sign * Math.abs(value)) };
}

/** Behind a constant's name: its magnitudes are to be taken negative. */
const negated = "\0negated";

/** The node that adds the magnitudes of what this one adds or subtracts. */
function positiveNode(node: GraphNode): GraphNode {
  if (node.domain !== "") return node;
  switch (node.op) {
    case "Sub":
      return { ...node, op: "Add" };
    case "Neg":
      return { ...node, op: "Identity" };
    case "BatchNormalization":
      // γ(x − μ)/σ + β with |γ|, −|μ| and |β|.
      return { ...node, inputs: node.inputs.map((name, i) => (i === 3 ? `${name}${negated}` : name)) };
    case "Gemm":
      return {
        ...node,
        attributes: {
          ...node.attributes,
          alpha: float(Math.abs(floatAttribute(node, "alpha", 1))),
          beta: float(Math.abs(floatAttribute(node, "beta", 1))),
        },
      };
    case "Pad": {
      const value = attribute(node, "value", "float");
      return value ? { ...node, attributes: { ...node.attributes, value: float(Math.abs(value)) } } : node;
    }
    default:
      return node;
  }
}
