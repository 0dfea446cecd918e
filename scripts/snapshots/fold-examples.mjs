// One small net for each page of docs/fold: what its picture shows, before and after the fold.
import { f32, GraphBuilder, int, int64, ints, node, rngFor, valueInfo } from "./library.mjs";

const open = ["n", 4, "h", "w"];

/** By page (docs/fold/<page>.md) → () => graph. */
export const examples = {
  "batch-norm": picture((net) => net.norm("y", net.convolution("conv", "x", [4, 4, 3, 3], { padding: 1 }), 4)),

  "scale-and-shift": picture((net) => {
    const scaled = net.add("Mul", "scaled", [
      net.convolution("conv", "x", [4, 4, 1, 1]),
      net.random("scale", [4, 1, 1]),
    ]);
    net.add("Add", "y", [scaled, net.random("shift", [4, 1, 1])]);
  }),

  sum: picture((net) => {
    const dense = net.convolution("dense", "x", [4, 4, 3, 3], { padding: 1 });
    const pointwise = net.convolution("pointwise", "x", [4, 4, 1, 1]);
    net.add("Add", "y", [net.add("Add", "branches", [dense, pointwise]), net.norm("identity", "x", 4)]);
  }),

  mean: picture((net) => {
    const dense = net.convolution("dense", "x", [4, 4, 3, 3], { padding: 1 });
    net.add("Mean", "y", [dense, net.convolution("pointwise", "x", [4, 4, 1, 1]), "x"]);
  }),

  composition: picture((net) => {
    net.convolution("y", net.convolution("wide", "x", [8, 4, 1, 1]), [4, 8, 3, 3], { padding: 1 });
  }),

  transposed: picture((net) => {
    const before = net.convolution("before", "x", [4, 4, 1, 1]);
    const up = net.add("ConvTranspose", "up", [before, net.random("up.weight", [4, 4, 2, 2])], {
      strides: ints([2, 2]),
    });
    net.norm("y", up, 4);
  }),

  "average-pool": picture((net) => {
    const before = net.convolution("before", "x", [4, 4, 1, 1]);
    net.add("AveragePool", "y", [before], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) });
  }),

  pad: picture((net) => {
    const padded = net.add("Pad", "padded", ["x", net.whole("pads", [0, 0, 1, 1, 0, 0, 1, 1])]);
    net.convolution("y", padded, [4, 4, 3, 3]);
  }),

  "border-write": picture(
    (net) => {
      const inner = net.convolution("inner", "x", [2, 2, 1, 1], { bias: f32([2], Float32Array.of(0.5, -0.25)) });
      const padded = net.add("Pad", "padded", [inner, net.whole("pads", [0, 0, 1, 1, 0, 0, 1, 1])]);
      const border = {
        dtype: "bool",
        shape: [1, 1, 6, 6],
        data: Uint8Array.from({ length: 36 }, (_, at) => +isBorder(at, 6)),
      };
      const bias = f32([1, 2, 1, 1], Float32Array.of(0.5, -0.25));
      const written = [net.constant("border", border), net.constant("bias", bias), padded];
      net.convolution("y", net.add("Where", "filled", written), [2, 2, 3, 3]);
    },
    [1, 2, 4, 4],
  ),

  crop: picture((net) => {
    const cuts = [net.whole("begin", [1, 1]), net.whole("end", [-1, -1]), net.whole("axes", [2, 3])];
    const pointwise = net.convolution("pointwise", net.add("Slice", "inner", ["x", ...cuts]), [4, 4, 1, 1]);
    net.add("Add", "y", [net.convolution("dense", "x", [4, 4, 3, 3]), pointwise]);
  }),

  concat: picture((net) => {
    const parts = ["a", "b"].map((name) => net.convolution(name, "x", [2, 4, 3, 3], { padding: 1 }));
    net.add("Concat", "y", parts, { axis: int(1) });
  }),

  split: picture((net) => {
    net.nodes.push(node("Split", "halves", ["x", net.whole("sizes", [2, 2])], ["first", "second"], { axis: int(1) }));
    const parts = ["first", "second"].map((half) =>
      net.convolution(`${half}.conv`, half, [2, 2, 3, 3], { padding: 1 }),
    );
    net.add("Concat", "y", parts, { axis: int(1) });
  }),

  matrix: picture(
    (net) => {
      const product = net.add("MatMul", "product", ["x", net.random("weight", [4, 8])]);
      const shifted = net.add("Add", "shifted", [product, net.random("bias", [8])]);
      net.add("Mul", "y", [shifted, net.random("gamma", [8])]);
    },
    ["n", "tokens", 4],
  ),

  "pass-through": picture((net) => {
    net.add("Identity", "y", [net.norm("normed", net.convolution("conv", "x", [4, 4, 1, 1]), 4)]);
  }),

  reshape: picture(
    (net) => {
      const product = net.add("MatMul", "product", ["x", net.random("weight", [4, 8])]);
      const shifted = net.add("Add", "shifted", [product, net.random("bias", [8])]);
      const rows = net.add("Flatten", "rows", [shifted], { axis: int(2) });
      net.norm("y", rows, 8);
    },
    [2, 5, 4],
  ),

  transpose: picture((net) => {
    const last = net.add("Transpose", "last", ["x"], { perm: ints([0, 2, 3, 1]) });
    const product = net.add("MatMul", "product", [last, net.random("weight", [4, 4])]);
    net.norm("y", net.add("Transpose", "first", [product], { perm: ints([0, 3, 1, 2]) }), 4);
  }),

  regions: picture((net) => {
    const first = net.norm("bn1", net.convolution("conv1", "x", [4, 4, 3, 3], { padding: 1 }), 4);
    const inside = net.convolution("conv2", net.add("Relu", "relu", [first]), [4, 4, 3, 3], { padding: 1 });
    net.add("Add", "y", [net.norm("bn2", inside, 4), "x"]);
  }),

  "bracketed-sums": picture((net) => {
    const sum = net.add("Add", "sum", [
      net.add("Sigmoid", "shortcut", ["x"]),
      net.convolution("a", "x", [4, 4, 3, 3], { padding: 1 }),
    ]);
    net.add("Add", "y", [sum, net.convolution("b", "x", [4, 4, 1, 1])]);
  }),

  "moved-scales": picture((net) => {
    const act = net.add("Relu", "relu", [net.convolution("stem", "x", [4, 4, 1, 1])]);
    const parts = [net.convolution("a", "x", [4, 4, 3, 3], { padding: 1 }), net.convolution("b", act, [4, 4, 1, 1])];
    net.norm("y", net.add("Concat", "joined", parts, { axis: int(1) }), 8);
  }),
};

function isBorder(at, size) {
  return [Math.floor(at / size), at % size].some((along) => along === 0 || along === size - 1);
}

/** @param build writes the net's nodes from "x" to "y" */
function picture(build, shape = open) {
  return () => {
    const net = new Net();
    build(net);
    return net.graph("net", [valueInfo("x", shape)], [{ name: "y", dtype: "f32", shape: undefined }]);
  };
}

/** Layers with random numbers, the same each time. */
class Net extends GraphBuilder {
  #numbers(name, shape, low, high) {
    const rng = rngFor(14, "fold-example", name);
    const count = shape.reduce((total, size) => total * size, 1);
    return f32(
      shape,
      Float32Array.from({ length: count }, () => rng.uniform(low, high)),
    );
  }

  random(name, shape) {
    return this.constant(name, this.#numbers(name, shape, -1, 1));
  }

  whole(name, values) {
    return this.constant(name, int64(values));
  }

  convolution(output, input, shape, options = {}) {
    return this.conv(output, input, this.#numbers(`${output}.weight`, shape, -1, 1), options);
  }

  norm(output, input, channels) {
    const numbers = (part, low, high) => this.#numbers(`${output}.${part}`, [channels], low, high);
    return this.batchNorm(output, input, {
      weight: numbers("weight", 0.5, 1.5),
      bias: numbers("bias", -1, 1),
      mean: numbers("mean", -1, 1),
      variance: numbers("variance", 0.5, 1.5),
    });
  }
}
