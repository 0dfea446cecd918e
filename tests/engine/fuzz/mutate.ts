import { type DType, elementCount, type NamedArray, storageConstructor } from "#repvgg/core/named-arrays.js";
import type { Rng } from "#repvgg/core/rng.js";
import { float, floats, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import type { AttributeValue, Graph, GraphNode } from "#repvgg/graph/graph.js";
import { normal } from "../../graph/support.js";

const dtypes = Object.keys(storageConstructor) as DType[];

export function pick<T>(rng: Rng, items: readonly T[]): T {
  return items[rng.int(items.length)]!;
}

const usual = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 7];
const huge = [
  -(2 ** 63),
  -(2 ** 31),
  -129,
  99,
  2 ** 24 + 1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 40,
  2 ** 53,
  2 ** 63 - 1024,
];
const number = (rng: Rng): number => (rng.int(8) ? pick(rng, usual) : pick(rng, huge));
const real = (rng: Rng): number =>
  rng.int(6) ? 3 * rng.normal() : pick(rng, [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e30, 1e-30]);
const list = <T>(rng: Rng, most: number, one: (rng: Rng) => T): T[] =>
  Array.from({ length: rng.int(most + 1) }, () => one(rng));

/** The attribute with one number of its own changed, or another in its place. */
function oddAttribute(rng: Rng, was: AttributeValue | undefined): AttributeValue {
  if (was?.type === "ints" && was.value.length > 0 && rng.int(3))
    return ints(was.value.with(rng.int(was.value.length), number(rng)));
  if (was?.type === "int" && rng.int(4)) return int(number(rng));
  if (was?.type === "float" && rng.int(4)) return float(real(rng));
  return pick<() => AttributeValue>(rng, [
    () => int(number(rng)),
    () => ints(list(rng, 6, number)),
    () => floats(list(rng, 4, real)),
    () => float(real(rng)),
    () =>
      string(
        pick(rng, [
          "nonsense",
          "SAME_LOWER",
          "VALID",
          "linear",
          "nearest",
          "cubic",
          "reflect",
          "wrap",
          "edge",
          "mul",
          "max",
          "DCR",
          "align_corners",
        ]),
      ),
  ])();
}

/** Attributes that some operator has, whether the node's has them or not. */
const someAttributes = (
  "alpha axes axis auto_pad batch_dims beta blocksize ceil_mode count_include_pad dilations epsilon exclude_outside fmod group keepdims " +
  "kernel_shape largest mode num_groups num_outputs output_padding output_shape p pads perm reduction size split strides training_mode transA"
).split(" ");

/** An array of another shape, other numbers or another element type. */
function oddArray(rng: Rng, of: NamedArray): NamedArray {
  const whole = of.dtype === "i64";
  switch (rng.int(5)) {
    case 0: {
      // The same numbers as far as they go, in a shape with one size changed.
      const shape = of.shape.length > 0 ? of.shape.with(rng.int(of.shape.length), rng.int(7)) : [rng.int(3)];
      return ofShape(of, shape);
    }
    case 1: {
      const dtype = pick(rng, dtypes);
      const data = new storageConstructor[dtype](elementCount(of.shape));
      const wide = dtype === "i64" || dtype === "u64";
      for (let i = 0; i < data.length; i++)
        (data as unknown as (number | bigint)[])[i] = wide ? BigInt(rng.int(4)) : rng.int(4);
      return { dtype, shape: of.shape, data } as NamedArray;
    }
    case 2:
      return ofShape(of, rng.int(2) ? of.shape.slice(1) : [1, ...of.shape]);
    default:
      if (whole && of.data.length > 0)
        return { ...of, data: of.data.with(rng.int(of.data.length), BigInt(number(rng))) };
      if (whole) return int64(list(rng, 6, number));
      return normal(
        rng,
        list(rng, 4, () => rng.int(5)),
      );
  }
}

function ofShape(of: NamedArray, shape: readonly number[]): NamedArray {
  const data = new storageConstructor[of.dtype](elementCount(shape));
  for (let i = 0; i < data.length && of.data.length > 0; i++) data[i] = of.data[i % of.data.length]!;
  return { dtype: of.dtype, shape, data } as NamedArray;
}

/** One change: of an attribute, an operand, their number, the operator, its version, a constant, an input's shape or type, the outputs. */
export function mutate(graph: Graph, rng: Rng): Graph {
  const nodes = [...graph.nodes];
  if (nodes.length === 0) return graph;
  const at = rng.int(nodes.length);
  const victim = nodes[at]!;
  const values = [
    ...graph.inputs.map(({ name }) => name),
    ...graph.initializers.keys(),
    ...nodes.flatMap(({ outputs }) => outputs),
  ];
  const replace = (changed: Partial<GraphNode>): Graph => ({
    ...graph,
    nodes: nodes.with(at, { ...victim, ...changed }),
  });
  switch (rng.int(12)) {
    case 0:
    case 1:
    case 2: {
      const name = pick(rng, [
        ...Object.keys(victim.attributes),
        ...Object.keys(victim.attributes),
        pick(rng, someAttributes),
      ]);
      return replace({ attributes: { ...victim.attributes, [name]: oddAttribute(rng, victim.attributes[name]) } });
    }
    case 3: {
      if (victim.inputs.length === 0) return graph;
      return replace({ inputs: victim.inputs.with(rng.int(victim.inputs.length), pick(rng, ["", ...values])) });
    }
    case 4:
      return replace({
        inputs: rng.int(2)
          ? victim.inputs.slice(0, rng.int(victim.inputs.length + 1))
          : [...victim.inputs, pick(rng, values)],
      });
    case 5:
      return replace({ opset: pick(rng, [7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19, 20, 22, 24]) });
    case 6:
    case 7:
    case 8: {
      const names = [...graph.initializers.keys()];
      if (names.length === 0) return graph;
      const name = pick(rng, names);
      return {
        ...graph,
        initializers: new Map(graph.initializers).set(name, oddArray(rng, graph.initializers.get(name)!)),
      };
    }
    case 9: {
      const which = rng.int(graph.inputs.length);
      const input = graph.inputs[which];
      if (!input) return graph;
      const shape = [...(input.shape ?? [2])];
      if (rng.int(3)) shape[rng.int(Math.max(1, shape.length))] = pick(rng, ["n", 0, 1, 2, 3, 7]);
      else shape.splice(rng.int(shape.length + 1), rng.int(2), ...(rng.int(2) ? [rng.int(5)] : []));
      const dtype = rng.int(4) ? input.dtype : pick(rng, dtypes);
      return { ...graph, inputs: graph.inputs.with(which, { ...input, dtype, shape }) };
    }
    case 10: {
      const name = pick(rng, values);
      return {
        ...graph,
        outputs: [...graph.outputs, { name, dtype: graph.initializers.get(name)?.dtype ?? "f32", shape: undefined }],
      };
    }
    default:
      return rng.int(2)
        ? replace({ outputs: victim.outputs.slice(0, 1) })
        : { ...graph, nodes: nodes.toSpliced(at, 1) };
  }
}
