import { describe, expect, it } from "vitest";
import { f32, type NamedArray, numberToHalf, toFloat64 } from "#repvgg/core/named-arrays.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { convAttributes, int64, node, valueInfo } from "#repvgg/graph/build.js";
import { fold } from "#repvgg/graph/fold.js";
import type { Graph, GraphNode } from "#repvgg/graph/graph.js";
import { roundTo } from "#repvgg/graph/precision.js";
import { probeShapes } from "#repvgg/verify/proof/probe-shapes.js";
import { proveFold } from "#repvgg/verify/proof/prove-fold.js";
import { whyNotUnchanged } from "#repvgg/verify/proof/unchanged.js";
import { normal, RandomNet } from "../graph/support.js";

/** A RepVGG block of stride 1 with a ReLU, an operator that nobody knows, and another block of stride 2. */
function detector(size: number | string = "side"): Graph {
  const net = new RandomNet(5);
  const block = (name: string, input: string, to: number, stride: number): string => {
    const k3 = net.convBn(`${name}.k3`, input, 4, to, 3, { padding: 1, stride });
    const k1 = net.convBn(`${name}.k1`, input, 4, to, 1, { stride });
    const sum = net.add("Add", `${name}.sum`, [k3, k1]);
    if (stride > 1) return sum;
    return net.add("Add", name, [sum, net.randomBatchNorm(`${name}.id`, input, 4)]);
  };
  net.add("Relu", "r", [block("a", "x", 4, 1)]);
  net.add("NobodyKnows", "boxes", ["r"]);
  net.add("Sigmoid", "s", [block("b", "boxes", 6, 2)]);
  const values = [valueInfo("x", [1, 4, size, size])];
  return { ...net.finish(["n", 4, size, size], "s", "boxes"), inputs: values };
}

function withInitializer(graph: Graph, name: string, change: (data: Float64Array) => void): Graph {
  const array = graph.initializers.get(name)!;
  const data = toFloat64(array).slice();
  change(data);
  return { ...graph, initializers: new Map(graph.initializers).set(name, f32(array.shape, Float32Array.from(data))) };
}

const withNode = (graph: Graph, name: string, change: (node: GraphNode) => GraphNode): Graph => ({
  ...graph,
  nodes: graph.nodes.map((each) => (each.outputs[0] === name ? change(each) : each)),
});

describe("proveFold", () => {
  const graph = detector();
  const { graph: folded, plan } = fold(graph);

  it("needs to know no operator outside the regions", () => {
    const proof = proveFold(graph, plan, folded);
    expect(proof).toMatchObject({ proven: true, regions: [{ output: "a" }, { output: "b.sum" }] });
    for (const { relative, ofBound, shapes, storedAs } of proof.regions) {
      expect(relative).toBeLessThan(1e-6);
      expect(ofBound).toBeGreaterThan(0.01); // the bound is near what rounding does
      expect(ofBound).toBeLessThanOrEqual(1);
      expect(storedAs).toBe("f32");
      expect(shapes.length).toBeGreaterThan(0);
    }
    // Stride 2, and a size that is not known: even and odd ones.
    expect(new Set(proof.regions[1]!.shapes.map(([, , height]) => height! % 2)).size).toBe(2);
  });

  it("finds every weight and bias that is off by 1 %", () => {
    for (const { output } of plan.regions) {
      for (const part of ["weight", "bias"]) {
        const name = `${output}.${part}`;
        const count = toFloat64(folded.initializers.get(name)!).length;
        for (let at = 0; at < count; at++) {
          const wrong = withInitializer(folded, name, (data) => {
            data[at] = data[at]! * 1.01 + 1e-3;
          });
          const { proven, regions } = proveFold(graph, plan, wrong);
          expect(proven).toBe(false);
          const found = regions.find((region) => region.output === output)!;
          expect(found.ofBound).toBeGreaterThan(1);
          expect(found.worstChannel).toBe(part === "bias" ? at : Math.floor(at / 36));
          expect(regions.filter((region) => !region.proven)).toHaveLength(1);
        }
      }
    }
  });

  it("finds every attribute of the convolutions that is another", () => {
    const changes = {
      pads: [ints([0, 1, 1, 1]), ints([1, 1, 1, 0]), ints([1, 0, 1, 2]), ints([2, 1, 0, 1])],
      strides: [ints([1, 2]), ints([2, 3]), ints([3, 3])],
      dilations: [ints([2, 1]), ints([1, 2])],
      group: [int(2)],
    };
    for (const { output } of plan.regions) {
      for (const [name, values] of Object.entries(changes)) {
        for (const value of values) {
          const wrong = withNode(folded, output, (each) => ({
            ...each,
            attributes: { ...each.attributes, [name]: value },
          }));
          expect(proveFold(graph, plan, wrong).proven).toBe(false);
        }
      }
    }
  });

  it("says what is not finite, and takes it for no proof", () => {
    const broken = withInitializer(graph, "a.k1.running_mean", (mean) => {
      mean[2] = Number.NaN;
    });
    const made = fold(broken);
    const proof = proveFold(broken, made.plan, made.graph);
    expect(proof.proven).toBe(false);
    expect(proof.regions[0]).toMatchObject({ worstChannel: 2, proven: false, firstNonFinite: "NaN in both nets" });
    expect(proof.regions[1]).toMatchObject({ proven: true });
  });

  it("allows float16 weights their own rounding, and no more", () => {
    const half = (array: NamedArray): NamedArray =>
      array.dtype === "f32"
        ? { dtype: "f16", shape: array.shape, data: Uint16Array.from(array.data as Float32Array, numberToHalf) }
        : array;
    const halves = {
      ...graph,
      initializers: new Map([...graph.initializers].map(([name, array]) => [name, half(array)])),
    };
    const made = fold(halves);
    const proof = proveFold(halves, made.plan, made.graph);
    expect(proof).toMatchObject({ proven: true, regions: [{ storedAs: "f16" }, { storedAs: "f16" }] });
    expect(proof.regions[0]!.relative).toBeGreaterThan(1e-5);
    const weight = made.graph.initializers.get("a.weight")!;
    const data = (weight.data as Uint16Array).slice();
    data[7] = numberToHalf(0.75);
    const wrong = {
      ...made.graph,
      initializers: new Map(made.graph.initializers).set("a.weight", { ...weight, data } as NamedArray),
    };
    expect(proveFold(halves, made.plan, wrong).proven).toBe(false);
  });

  it.each(["bf16", "f32", "f64"] as const)("allows %s weights their own rounding, and no more", (dtype) => {
    const stored = (array: NamedArray): NamedArray => (array.dtype === "f32" ? roundTo(array, dtype, "w") : array);
    const rounded = {
      ...graph,
      initializers: new Map([...graph.initializers].map(([name, array]) => [name, stored(array)])),
    };
    const made = fold(rounded);
    expect(proveFold(rounded, made.plan, made.graph)).toMatchObject({
      proven: true,
      regions: [{ storedAs: dtype }, { storedAs: dtype }],
    });
    const weight = made.graph.initializers.get("a.weight")!;
    const numbers = toFloat64(weight).slice();
    numbers[7] = numbers[7]! + 2; // bfloat16 has steps of 0.8 %
    const wrong = roundTo({ dtype: "f64", shape: weight.shape, data: numbers }, dtype, "w");
    const other = { ...made.graph, initializers: new Map(made.graph.initializers).set("a.weight", wrong) };
    expect(proveFold(rounded, made.plan, other)).toMatchObject({ proven: false, regions: [{ worstChannel: 0 }, {}] });
  });

  it("knows how large the terms were that cancelled", () => {
    for (const difference of ["Sub", "Neg", "BatchNormalization"]) {
      const net = new RandomNet(8);
      const weight = normal(net.rng, [4, 4, 3, 3]);
      const double = (array: NamedArray, factor = 1): NamedArray => {
        return { dtype: "f64", shape: array.shape, data: toFloat64(array).map((value) => value * factor) };
      };
      net.conv("a", "x", double(weight), { padding: 1 });
      net.conv("b", "x", double(weight, 1 + 2 ** -40), { padding: 1 });
      if (difference === "Sub") net.add("Sub", "y", ["a", "b"]);
      else if (difference === "Neg") net.add("Add", "y", ["a", net.add("Neg", "n", ["b"])]);
      else {
        const mean = double(normal(net.rng, [4], 1e3));
        net.add("Add", "shifted", ["a", net.constant("mean", { ...mean, shape: [4, 1, 1] } as NamedArray)]);
        const [one, zero] = [1, 0].map((value) => double(f32([4], new Float32Array(4).fill(value))));
        net.batchNorm("y", "shifted", { weight: one!, bias: zero!, mean, variance: one! });
      }
      const graph = { ...net.finish([1, 4, 6, 6], "y"), inputs: [valueInfo("x", [1, 4, 6, 6], "f64")] };
      const { graph: folded, plan } = fold(graph);
      const proof = proveFold(graph, plan, folded);
      expect(proof).toMatchObject({ proven: true, regions: [{ storedAs: "f64" }] });
      const doubled = double(folded.initializers.get("y.weight")!, 2);
      const wrong = { ...folded, initializers: new Map(folded.initializers).set("y.weight", doubled) };
      expect(proveFold(graph, plan, wrong).proven).toBe(false);
    }
  });

  it("does not take whole numbers for real ones", () => {
    const net = new RandomNet(1);
    net.constant("two", { dtype: "i64", shape: [1], data: BigInt64Array.of(2n) });
    net.add("Mul", "m", [net.add("Div", "d", ["x", "two"]), "two"]);
    const whole = net.graph("whole", [valueInfo("x", [1, 4, 4, 4], "i64")], [valueInfo("m", [1, 4, 4, 4], "i64")]);
    const { graph: joined, plan: made } = fold(whole);
    const proof = proveFold(whole, made, joined);
    expect(proof.proven).toBe(made.regions.length === 0);
  });
});

describe("what is not folded", () => {
  const graph = detector(8);
  const { graph: folded, plan } = fold(graph);
  const reason = (after: Graph): string | undefined => {
    const replaced = plan.regions.map(({ source, output }) => {
      const made = after.nodes.find(({ outputs }) => outputs[0] === output)!;
      return [output, { source, output, reads: made.inputs[0]!, inside: [] }] as const;
    });
    return whyNotUnchanged(plan.simplified, after, { replaced: new Map(replaced) });
  };

  it("is shown to be as it was", () => {
    expect(whyNotUnchanged(graph, plan.simplified)).toBeUndefined();
    expect(reason(folded)).toBeUndefined();
  });

  it.each<[string, (graph: Graph) => Graph, RegExp]>([
    ["another operator", (g) => withNode(g, "r", (n) => ({ ...n, op: "Sigmoid" })), /Sigmoid "r" was Relu "r"/],
    ["another domain", (g) => withNode(g, "boxes", (n) => ({ ...n, domain: "x" })), /"boxes" was/],
    [
      "another attribute",
      (g) => withNode(g, "boxes", (n) => ({ ...n, attributes: { mode: int(1) } })),
      /has another "mode"/,
    ],
    ["another input", (g) => withNode(g, "boxes", (n) => ({ ...n, inputs: ["a"] })), /reads "a" instead of "r"/],
    ["one input less", (g) => withNode(g, "boxes", (n) => ({ ...n, inputs: [] })), /reads "" instead of "r"/],
    [
      "a region with another source",
      (g) => withNode(g, "b.sum", (n) => ({ ...n, inputs: ["r", ...n.inputs.slice(1)] })),
      /reads another value than the nodes it replaces/,
    ],
    [
      "a value that was not there",
      (g) => {
        const at = g.nodes.findIndex(({ outputs }) => outputs[0] === "s");
        const nodes = g.nodes.toSpliced(at, 0, node("Relu", "new", ["b.sum"], ["new"]));
        return withNode({ ...g, nodes }, "s", (n) => ({ ...n, inputs: ["new"] }));
      },
      /Relu "new" gives a value that was not there/,
    ],
    [
      "outputs in another order",
      (g) => ({ ...g, outputs: g.outputs.toReversed() }),
      /the output "boxes" is given by something else/,
    ],
  ])("%s is found", (_, change, message) => {
    expect(reason(change(folded))).toMatch(message);
    expect(proveFold(graph, plan, change(folded)).proven).toBe(false);
  });

  it("and constants that differ in one bit", () => {
    const net = new RandomNet(3);
    net.add("Pow", "p", ["x", net.constant("exponents", f32([4, 1, 1], Float32Array.of(1, 2, 3, 4)))]);
    net.convBn("y", "p", 4, 4, 3, { padding: 1 });
    const before = net.finish([1, 4, 6, 6], "y");
    const { graph: after, plan: made } = fold(before);
    expect(proveFold(before, made, after).proven).toBe(true);
    const wrong = withInitializer(after, "exponents", (data) => {
      data[3] = 4 + 2 ** -21;
    });
    expect(proveFold(before, made, wrong)).toMatchObject({
      proven: false,
      changed: expect.stringMatching(/reads "exponents"/),
    });
  });

  it("constants that were computed are computed again, sums may be bracketed otherwise", () => {
    const net = new RandomNet(4);
    const scale = net.add("Mul", "scale", [
      net.constant("s", f32([4, 1, 1], Float32Array.of(1.1, 2.2, 3.3, 4.4))),
      net.constant("t", f32([1], Float32Array.of(1 / 3))),
    ]);
    const relu = net.add("Relu", "relu", [net.add("Pow", "scaled", ["x", scale])]);
    const [a, b] = ["a", "b"].map((name) => net.convBn(name, relu, 4, 4, 3, { padding: 1 }));
    const sum = net.add("Add", "sum", [net.add("Add", "first", ["x", a!]), b!]);
    net.add("Sigmoid", "y", [sum]);
    const before = net.finish([1, 4, 6, 6], "y");
    const made = fold(before);
    expect(made.plan.regions).toHaveLength(1);
    expect(proveFold(before, made.plan, made.graph)).toMatchObject({ proven: true });
    const { simplified } = made.plan;
    expect(simplified.initializers.has("scale")).toBe(true);
    const wrong = withInitializer(simplified, "scale", (data) => {
      data[0]! += 2 ** -22;
    });
    expect(whyNotUnchanged(before, wrong)).toMatch(/reads "scale"/);
    const turned = withNode(simplified, "sum", (n) => ({ ...n, op: "Sub" }));
    expect(whyNotUnchanged(before, turned)).toMatch(/Sub "\S+" was Add "\S+"/);
    const doubled = withNode(simplified, "sum", (n) => ({ ...n, inputs: [n.inputs[1]!, n.inputs[1]!] }));
    expect(whyNotUnchanged(before, doubled)).toBeDefined();
  });

  it("nodes that do nothing by computed settings may be gone, and scalars made of sizes may be stored", () => {
    const net = new RandomNet(7);
    const pads = net.add("Sub", "pads", [net.constant("a", int64([1, 2, 3, 4, 5, 6, 7, 8])), "a"]);
    net.add("Relu", "r", [net.add("Pad", "p", ["x", pads])]);
    const channels = net.add("Gather", "channels", [
      net.add("Shape", "shape", ["x"]),
      net.constant("one", { ...int64([1]), shape: [] } as NamedArray),
    ]);
    net.add("Pow", "y", ["r", net.add("Cast", "real", [channels], { to: int(1) })]);
    const before = net.finish([1, 4, 6, 6], "y");
    const { simplified } = fold(before).plan;
    expect(simplified.nodes.map(({ op }) => op)).toEqual(["Relu", "Pow"]);
    expect(simplified.initializers.get("real")).toMatchObject({ shape: [] });
    expect(whyNotUnchanged(before, simplified)).toBeUndefined();
    const vector = f32([1], Float32Array.of(4));
    const reshaped = { ...simplified, initializers: new Map(simplified.initializers).set("real", vector) };
    expect(whyNotUnchanged(before, reshaped)).toMatch(/reads "real"/);
  });

  it("constants of other shapes or types are others, though their bytes are the same", () => {
    const powers = (array: NamedArray): Graph => {
      const net = new RandomNet(9);
      net.add("Mystery", "y", ["x", net.constant("k", array)]);
      return net.finish([4], "y");
    };
    const numbers = f32([4], Float32Array.of(1, 2, 3, 4));
    const same = { ...numbers, data: numbers.data.slice() } as NamedArray;
    expect(whyNotUnchanged(powers(numbers), powers(same))).toBeUndefined();
    const turned = { ...same, shape: [4, 1] } as NamedArray;
    const whole: NamedArray = { dtype: "i32", shape: [4], data: new Int32Array((same.data as Float32Array).buffer) };
    for (const other of [turned, whole]) {
      expect(whyNotUnchanged(powers(numbers), powers(other))).toMatch(/reads "k" instead of "k"/);
    }
  });

  it("attributes that are kept as bytes are compared by type, length and bytes", () => {
    // Fields of an AttributeProto: i = 1, i = 2, f = 0.
    const [one, two, zero] = [
      [0x18, 1],
      [0x18, 2],
      [0x15, 0, 0, 0, 0],
    ];
    const kept = (onnxType: number, ...bytes: readonly (readonly number[])[]): Graph => {
      const net = new RandomNet(8);
      net.add("Mystery", "y", ["x"], { body: { type: "opaque", onnxType, bytes: Uint8Array.from(bytes.flat()) } });
      return net.finish([1], "y");
    };
    expect(whyNotUnchanged(kept(2, one!), kept(2, one!))).toBeUndefined();
    for (const other of [kept(3, one!), kept(2, two!), kept(2, one!, zero!), kept(2)]) {
      expect(whyNotUnchanged(kept(2, one!), other)).toMatch(/has another "body"/);
      expect(whyNotUnchanged(other, kept(2, one!))).toMatch(/has another "body"/);
    }
  });

  it("a Reshape whose target copies the batch may say so by 0", () => {
    const reshaped = (target: readonly number[]): Graph => {
      const net = new RandomNet(6);
      net.add("Reshape", "y", ["x", net.constant("target", int64(target))]);
      return net.finish(["n", 4, 2, 2], "y");
    };
    const net = new RandomNet(6);
    const batch = net.add("Gather", "batch", [net.add("Shape", "shape", ["x"]), net.constant("zero", int64([0]))], {
      axis: int(0),
    });
    net.add("Concat", "sizes", [batch, net.constant("rest", int64([16]))], { axis: int(0) });
    net.add("Reshape", "y", ["x", "sizes"]);
    const before = net.finish(["n", 4, 2, 2], "y");
    expect(whyNotUnchanged(before, reshaped([0, 16]))).toBeUndefined();
    expect(whyNotUnchanged(before, reshaped([0, 8]))).toMatch(/reads "target" instead of "sizes"/);
    // A number that is not the batch cannot be copied: 0 would copy 4 instead of 16.
    expect(whyNotUnchanged(before, reshaped([0, 0]))).toMatch(/reads "target" instead of "sizes"/);
    expect(whyNotUnchanged(before, reshaped([16, 0]))).toMatch(/reads "target" instead of "sizes"/);
  });
});

describe("probeShapes", () => {
  const conv = (
    kernel: number,
    stride: number,
    padding: number,
  ): { node: GraphNode; constants: Map<string, NamedArray> } => ({
    node: node("Conv", "c", ["x", "w"], ["y"], convAttributes({ kernel, stride, padding })),
    constants: new Map([["w", f32([4, 3, kernel, kernel])]]),
  });
  const shapesOf = (kernel: number, stride: number, padding: number, shape?: readonly (number | string)[]) => {
    const { node: made, constants } = conv(kernel, stride, padding);
    return probeShapes([made], made, constants, shape);
  };

  it("show all taps, both borders and a place between them", () => {
    expect(shapesOf(3, 1, 1)).toEqual([[1, 3, 3, 3]]);
    expect(shapesOf(5, 1, 2)).toEqual([[1, 3, 5, 5]]);
    expect(shapesOf(1, 1, 0)).toEqual([[1, 3, 1, 1]]);
  });

  it("have every remainder by the stride, or the source's own", () => {
    expect(shapesOf(3, 2, 1, ["n", 3, "h", "w"])).toEqual([
      [1, 3, 4, 4],
      [1, 3, 5, 5],
    ]);
    expect(shapesOf(3, 2, 1, ["n", 3, 224, 225])).toEqual([[1, 3, 4, 5]]);
    expect(shapesOf(3, 2, 1, [1, 3, 2, 1])).toEqual([[1, 3, 2, 1]]); // never larger than the source is
  });

  it("are the source's own where a node counts places from the first", () => {
    const { node: made, constants } = conv(3, 1, 1);
    const slice = node("Slice", "s", ["y", "starts", "ends", "axes"], ["z"]);
    constants.set("axes", int64([2]));
    expect(probeShapes([made, slice], made, constants, [1, 3, 14, 15])).toEqual([[1, 3, 14, 15]]);
    constants.set("axes", int64([1]));
    expect(probeShapes([made, slice], made, constants, [1, 3, 14, 15])).toEqual([[1, 3, 3, 3]]);
  });
});
