import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elementCount, f32 } from "#repvgg/core/named-arrays.js";
import { buildPlan } from "#repvgg/engine/plan/plan.js";
import { createSession } from "#repvgg/engine/session.js";
import { float, int, ints } from "#repvgg/graph/attributes.js";
import { type GraphBuilder, int64 } from "#repvgg/graph/build.js";
import { backendOf } from "../tensor/backends.js";
import { checkGraph, graphOf, randomArray, randomBatchNorm, smallShapes } from "./compare.js";

const backend = backendOf(2);
const check = checkGraph.bind(undefined, backend);

describe("convolutions", () => {
  const convolution = fc.record({
    batch: fc.integer({ min: 1, max: 3 }),
    groups: fc.constantFrom(1, 2, 4),
    inPerGroup: fc.integer({ min: 1, max: 5 }),
    outPerGroup: fc.integer({ min: 1, max: 5 }),
    kernel: fc.constantFrom(1, 2, 3, 5),
    stride: fc.constantFrom(1, 2, 3),
    dilation: fc.constantFrom(1, 2),
    padding: fc.integer({ min: 0, max: 2 }),
    height: fc.integer({ min: 9, max: 13 }),
    width: fc.integer({ min: 9, max: 13 }),
    bias: fc.boolean(),
    batchNorm: fc.boolean(),
    relu: fc.boolean(),
  });

  it("of any geometry, with what follows fused, are as defined", () => {
    fc.assert(
      fc.property(convolution, (c) => {
        const [inChannels, outChannels] = [c.groups * c.inPerGroup, c.groups * c.outPerGroup];
        check([c.batch, inChannels, c.height, c.width], (b) => {
          const weight = randomArray("w", [outChannels, c.inPerGroup, c.kernel, c.kernel]);
          const { stride, padding, dilation, groups } = c;
          const bias = c.bias ? { bias: randomArray("b", [outChannels]) } : {};
          let y = b.conv("conv", "x", weight, { stride, padding, dilation, groups, ...bias });
          if (c.batchNorm) y = b.batchNorm("bn", y, randomBatchNorm("bn", outChannels));
          return [c.relu ? b.add("Relu", "relu", [y]) : y];
        });
      }),
      { numRuns: 40 },
    );
  });

  it("with unequal strides, pads and kernel sizes, and automatic padding", () => {
    const weight = (b: GraphBuilder) => b.constant("w", randomArray("w", [4, 3, 3, 2]));
    check([2, 3, 9, 8], (b) => [
      b.add("Conv", "y", ["x", weight(b)], { strides: ints([2, 1]), pads: ints([0, 1, 2, 0]) }),
      b.add("Conv", "same", ["x", "w"], { strides: ints([2, 2]), auto_pad: { type: "string", value: "SAME_UPPER" } }),
    ]);
  });

  it("as matrix products: Gemm in all its forms, and MatMul", () => {
    for (const batch of [1, 3]) {
      check([batch, 6], (b) => {
        b.constant("bt", randomArray("bt", [5, 6]));
        b.constant("b", randomArray("b", [6, 5]));
        b.constant("row", randomArray("row", [5]));
        b.constant("wide", randomArray("wide", [1, 5]));
        b.constant("scalar", randomArray("scalar", [1]));
        const scaled = { alpha: float(0.5), beta: float(-2) };
        return [
          b.add("Gemm", "plain", ["x", "b"]),
          b.add("Gemm", "transposed", ["x", "bt", "row"], { transB: int(1), ...scaled }),
          b.add("Relu", "relu", [b.add("Gemm", "biased", ["x", "b", "wide"], scaled)]),
          b.add("Gemm", "one", ["x", "b", "scalar"]),
          b.add("Add", "matmul", [b.add("MatMul", "product", ["x", "b"]), "row"]),
        ];
      });
    }
  });
});

describe("sums", () => {
  it("of branches: convolutions, BatchNorm and the input itself, with and without ReLU", () => {
    for (const [batch, channels, height, width] of [
      [1, 8, 7, 5],
      [3, 5, 6, 9],
    ] as const) {
      check([batch, channels, height, width], (b) => {
        const dense = b.conv("dense", "x", randomArray("dense", [channels, channels, 3, 3]), { padding: 1 });
        const pointwise = b.conv("pointwise", "x", randomArray("pointwise", [channels, channels, 1, 1]));
        const denseBn = b.batchNorm("dense.bn", dense, randomBatchNorm("dense.bn", channels));
        const pointwiseBn = b.batchNorm("pointwise.bn", pointwise, randomBatchNorm("pointwise.bn", channels));
        const identityBn = b.batchNorm("identity", "x", randomBatchNorm("identity", channels));
        const sum = b.add("Add", "sum", [b.add("Add", "pair", [denseBn, pointwiseBn]), identityBn]);
        return [b.add("Relu", "y", [sum])];
      });
    }
  });

  it("of a residual, accumulated in place or onto a copy", () => {
    const residual = (b: GraphBuilder, input: string, name: string): string => {
      const inner = b.add("Relu", `${name}.relu`, [
        b.conv(`${name}.a`, input, randomArray(`${name}.a`, [6, 6, 3, 3]), { padding: 1 }),
      ]);
      const outer = b.conv(`${name}.b`, inner, randomArray(`${name}.b`, [6, 6, 3, 3]), { padding: 1 });
      return b.add("Relu", name, [b.add("Add", `${name}.sum`, [outer, input])]);
    };
    check([2, 6, 5, 5], (b) => [residual(b, residual(b, "x", "first"), "second")], 1e-5);
    check([2, 6, 5, 5], (b) => ["first", residual(b, residual(b, "x", "first"), "second")], 1e-5);
    check([2, 6, 5, 5], (b) => {
      const y = b.conv("c", "x", randomArray("c", [6, 6, 3, 3]), { padding: 1 });
      return [b.add("Add", "y", ["x", y])]; // the convolution reads what it is added to
    });
  });

  it("of more branches than one kernel takes, of differences and of scaled values", () => {
    check([2, 4, 3, 5], (b) => {
      b.constant("gamma", randomArray("gamma", [4, 1, 1]));
      b.constant("half", f32([], Float32Array.of(0.5)));
      const gated = b.add("Sigmoid", "gated", ["x"]);
      let sum = gated;
      for (let i = 0; i < 6; i++) {
        const term = b.add("Mul", `term${i}`, ["x", i % 2 === 0 ? "gamma" : "half"]);
        sum = b.add(i % 3 === 0 ? "Sub" : "Add", `sum${i}`, [sum, term]);
      }
      return [
        sum,
        b.add("Relu", "mixer", [b.add("Sub", "difference", ["half", b.add("Div", "divided", ["x", "gamma"])])]),
      ];
    });
  });

  it("of one value with itself", () => {
    check([2, 4, 3, 5], (b) => [b.add("Add", "y", ["x", "x"])]);
  });
});

describe.each(smallShapes)("on [%i, %i, %i, %i]", (...shape) => {
  const channels = shape[1]!;

  it("BatchNormalization and Relu by themselves", () => {
    check(shape, (b) => {
      const bn = b.batchNorm("bn", "x", randomBatchNorm("bn", channels));
      return [bn, b.add("Relu", "relu", ["x"]), b.add("Relu", "both", [bn])];
    });
  });

  it("Sigmoid and Mul of one shape", () => {
    check(shape, (b) => [
      b.add("Mul", "silu", ["x", b.add("Sigmoid", "gate", ["x"])]),
      b.add("Mul", "square", ["x", "x"]),
    ]);
  });

  it("squeeze-and-excitation: pool, gate, multiply by channel in either order", () => {
    check(shape, (b) => {
      const pooled = b.add("GlobalAveragePool", "pooled", ["x"]);
      const gate = b.add("Sigmoid", "gate", [b.conv("up", pooled, randomArray("up", [channels, channels, 1, 1]))]);
      return [b.add("Mul", "y", ["x", gate]), b.add("Mul", "z", [gate, "x"])];
    });
  });

  it("ReduceMean over space, with axes as attribute or input", () => {
    check(shape, (b) => [
      b.add("ReduceMean", "kept", ["x"], { axes: ints([2, 3]), keepdims: int(1) }),
      b.add("ReduceMean", "flat", ["x", b.constant("axes", int64([-1, -2]))], { keepdims: int(0) }, 18),
    ]);
  });

  it("Flatten and Reshape, also where memory has another order than the graph", () => {
    check(shape, (b) => {
      const y = b.conv("c", "x", randomArray("c", [channels, channels, 1, 1]));
      const size = channels * shape[2]! * shape[3]!;
      const flat = b.add("Flatten", "flat", [y], { axis: int(1) });
      b.constant("w", randomArray("w", [size, 3]));
      const back = b.add("Reshape", "back", [flat, b.constant("sizes", int64([0, shape[3]!, shape[2]!, channels]))]);
      return [flat, b.add("Gemm", "logits", [flat, "w"]), b.add("Relu", "relu", [back])];
    });
  });

  it("Softmax over channels and over the last axis", () => {
    check(shape, (b) => [
      b.add("Softmax", "channels", ["x"], { axis: int(1) }),
      b.add("Softmax", "last", [b.add("Relu", "relu", ["x"])], { axis: int(-1) }),
    ]);
  });

  it("Concat along channels", () => {
    check(shape, (b) => {
      const y = b.conv("c", "x", randomArray("c", [3, channels, 1, 1]));
      const joined = b.add("Concat", "joined", [y, "x", y], { axis: int(1) });
      return [joined, b.conv("after", joined, randomArray("after", [2, 6 + channels, 1, 1]))];
    });
  });

  it("Identity and Dropout of inputs, inner values and outputs", () => {
    check(shape, (b) => {
      const same = b.add("Identity", "same", ["x"]);
      return [same, b.add("Dropout", "kept", [b.add("Relu", "relu", [same])]), "relu"];
    });
  });
});

it("only what is read at the place written may be overwritten in place: no operand that is repeated", () => {
  const shape = [2, 3, 4, 4];
  const graph = graphOf(shape, (b) => {
    const row = b.add("ReduceMax", "row", ["x"], { axes: ints([3]), keepdims: int(1) });
    const whole = b.add("Sigmoid", "whole", ["x"]);
    const larger = b.add("Greater", "larger", [whole, row]);
    return [b.add("Sub", "left", [row, whole]), b.add("Where", "chosen", [larger, row, "x"])];
  });
  const noConvolution = () => {
    throw new Error("there is no convolution");
  };
  const noConvolutions = {
    planConvolution: noConvolution,
    planTransposedConvolution: noConvolution,
    planByteConvolution: noConvolution,
  };
  const { steps } = buildPlan(graph, {
    inputShapes: { x: shape },
    features: [],
    fuseBatchNorm: true,
    ...noConvolutions,
  });
  const overwritten = (op: string) =>
    steps.filter(({ step }) => step.op === op).map(({ step }) => step.mayOverwrite.map(({ words }) => words));
  expect(overwritten("Greater")).toEqual([[96]]);
  expect(overwritten("Sub")).toEqual([[96]]);
  expect(overwritten("Where")).toEqual([[96, 96]]);
});

describe("what the engine lacks", () => {
  const create = (shape: readonly number[], build: (b: GraphBuilder) => readonly string[]) => () =>
    createSession(graphOf(shape, build), { backend, shape });

  it("is named, with the node that needs it", () => {
    const before = backend.memory.usedWords;
    expect(create([1, 2, 4, 4], (b) => [b.add("Tan", "tangent", ["x"])])).toThrow(
      /^expected operators that the engine has, received Tan \("tangent"\)/,
    );
    const graph = graphOf([1, 2, 4, 4], (b) => [b.add("Relu", "y", ["x"])]);
    const foreign = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, domain: "com.example" })) };
    expect(() => createSession(foreign, { backend, shape: [1, 2, 4, 4] })).toThrow(/com\.example\.Relu \("y"\)/);
    expect(backend.memory.usedWords).toBe(before);
  });

  it("is told where only a form of an operator is lacking", () => {
    expect(create([1, 2, 4, 4], (b) => [b.add("Pad", "padded", ["x", b.add("Relu", "pads", ["x"])])])).toThrow(
      /"padded"/,
    );
    const none = [0, 0, 1].map((value, i) => ({ name: `place${i}`, value: int64([value]) }));
    expect(
      create([1, 2, 4, 4], (b) => [
        b.add("Slice", "none", ["x", ...none.map(({ name, value }) => b.constant(name, value))]),
      ]),
    ).toThrow(/results of at least one element in node "none" \(Slice\), received "none" of shape \[1,0,4,4\]/);
    const weight = (b: GraphBuilder, shape: readonly number[]) =>
      b.constant("w", f32(shape, new Float32Array(elementCount(shape))));
    expect(create([1, 2, 4, 4], (b) => [b.add("Conv", "none", ["x", weight(b, [0, 2, 3, 3])])])).toThrow(
      /at least one element in node "none" \(Conv\), received "none" of shape \[1,0,2,2\]/,
    );
    const huge = [1n, 2n ** 40n, 1n, 1n];
    expect(
      create([1, 2, 4, 4], (b) => [
        b.add("Tile", "huge", [
          "x",
          b.constant("repeats", { dtype: "i64", shape: [4], data: BigInt64Array.from(huge) }),
        ]),
      ]),
    ).toThrow(/at most 2147483647 elements in node "huge" \(Tile\)/);
    const far = { strides: ints([200, 200]) };
    expect(create([1, 2, 4, 4], (b) => [b.add("ConvTranspose", "far", ["x", weight(b, [2, 2, 3, 3])], far)])).toThrow(
      /strides whose product is at most 16384 in node "far" \(ConvTranspose\), received \[200,200\]/,
    );
    const places = (b: GraphBuilder) => [
      b.add("CumSum", "sum", ["x", b.add("ReduceMax", "axis", ["x"], { keepdims: int(0) })]),
    ];
    expect(create([1, 2, 4, 4], places)).toThrow(/"sum"/);
  });
});
