// YOLOv9-t in training form (Wang, Yeh and Liao 2024, arXiv:2402.13616; the main branch of the authors' yolov9-t.yaml), with random weights,
// as exporters write it for one image: GELAN blocks of RepConvN (a 3×3 and a 1×1 convolution, each with its BatchNorm), and the detecting head.
import { f32 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { GraphBuilder, int64, valueInfo } from "#repvgg/graph/build.js";

const classes = 80;
/** Bins of a distance (distribution focal loss). */
const bins = 16;

/** The graph for pictures of that side; its two outputs are boxes (centre, size) and scores of all places. */
export function yolov9t({ side = 640, seed = 0 } = {}) {
  const net = new Yolo(seed);
  const { b } = net;
  const joined = (name, parts, axis = 1) => b.add("Concat", name, parts, { axis: int(axis) });
  const up = (name, x) =>
    b.add("Resize", name, [x, "", b.constant(`${name}.scales`, f32([4], Float32Array.of(1, 1, 2, 2)))]);

  let x = net.unit("0", "images", 3, 16, 3, { stride: 2 });
  x = net.unit("1", x, 16, 32, 3, { stride: 2 });
  x = net.elan("2", x, 32, 32, 32, 16);
  x = net.down("3", x, 32, 64);
  const p3 = net.repElan("4", x, 64, 64, 64, 32);
  x = net.down("5", p3, 64, 96);
  const p4 = net.repElan("6", x, 96, 96, 96, 48);
  x = net.down("7", p4, 96, 128);
  x = net.repElan("8", x, 128, 128, 128, 64);
  const p5 = net.pyramid("9", x, 128, 128, 64);
  const n4 = net.repElan("12", joined("11", [up("10", p5), p4]), 128 + 96, 96, 96, 48);
  const n3 = net.repElan("15", joined("14", [up("13", n4), p3]), 96 + 64, 64, 64, 32);
  const m4 = net.repElan("18", joined("17", [net.down("16", n3, 64, 48), n4]), 48 + 96, 96, 96, 48);
  const m5 = net.repElan("21", joined("20", [net.down("19", m4, 96, 64), p5]), 64 + 128, 128, 128, 64);

  const levels = [
    [n3, 64, 8],
    [m4, 96, 16],
    [m5, 128, 32],
  ].map(([value, channels, stride], i) => net.head(`22.${i}`, value, channels, side / stride));
  const places = levels.reduce((sum, { count }) => sum + count, 0);
  const split = [4 * bins, classes];
  const all = joined(
    "22.all",
    levels.map(({ value }) => value),
    2,
  );
  b.nodes.push({
    ...{ name: "22.split", op: "Split", domain: "", inputs: [all, b.constant("22.sizes", int64(split))] },
    ...{ outputs: ["22.distances", "22.classes"], attributes: { axis: int(1) } },
  });
  const reshaped = (name, input, target) => b.add("Reshape", name, [input, b.constant(`${name}.to`, int64(target))]);
  const dfl = b.add(
    "Softmax",
    "22.softmax",
    [
      b.add("Transpose", "22.bins", [reshaped("22.rows", "22.distances", [1, 4, bins, places])], {
        perm: ints([0, 2, 1, 3]),
      }),
    ],
    { axis: int(1) },
  );
  const expected = b.conv(
    "22.dfl",
    dfl,
    f32(
      [1, bins, 1, 1],
      Float32Array.from({ length: bins }, (_, i) => i),
    ),
  );
  const distances = reshaped("22.ltrb", expected, [1, 4, places]);
  const anchors = b.constant("22.anchors", f32([1, 4, places], net.random("anchors", 4 * places, side / 2)));
  b.add("Add", "boxes", [distances, anchors]);
  b.add("Sigmoid", "scores", ["22.classes"]);
  return b.graph(
    "YOLOv9-t",
    [valueInfo("images", [1, 3, side, side])],
    [valueInfo("boxes", [1, 4, places]), valueInfo("scores", [1, classes, places])],
  );
}

class Yolo {
  b = new GraphBuilder();

  constructor(seed) {
    this.seed = seed;
  }

  random(name, count, scale) {
    const rng = rngFor(this.seed, name);
    return Float32Array.from({ length: count }, () => scale * rng.normal());
  }

  conv(name, x, from, to, kernel, { groups = 1, stride = 1, bias } = {}) {
    const fan = (from / groups) * kernel ** 2;
    const weight = f32([to, from / groups, kernel, kernel], this.random(name, to * fan, Math.sqrt(1 / fan)));
    const options = { groups, stride, padding: (kernel - 1) / 2 };
    return this.b.conv(name, x, weight, {
      ...options,
      ...(bias && { bias: f32([to], this.random(`${name}.b`, to, 0.1)) }),
    });
  }

  convNorm(name, x, from, to, kernel, options) {
    const rng = rngFor(this.seed, name, "norm");
    const draw = (make) => f32([to], Float32Array.from({ length: to }, make));
    return this.b.batchNorm(`${name}.bn`, this.conv(`${name}.conv`, x, from, to, kernel, options), {
      weight: draw(() => rng.uniform(0.5, 1.5)),
      bias: draw(() => 0.1 * rng.normal()),
      mean: draw(() => 0.1 * rng.normal()),
      variance: draw(() => rng.uniform(0.5, 1.5)),
    });
  }

  silu(name, x) {
    return this.b.add("Mul", name, [x, this.b.add("Sigmoid", `${name}.sigmoid`, [x])]);
  }

  unit(name, x, from, to, kernel, options) {
    return this.silu(name, this.convNorm(name, x, from, to, kernel, options));
  }

  /** RepConvN. */
  rep(name, x, channels) {
    const branches = [3, 1].map((kernel) => this.convNorm(`${name}.${kernel}`, x, channels, channels, kernel));
    return this.silu(name, this.b.add("Add", `${name}.sum`, branches));
  }

  halves(name, x, channels) {
    const outputs = [`${name}.0`, `${name}.1`];
    const sizes = this.b.constant(`${name}.sizes`, int64([channels / 2, channels / 2]));
    this.b.nodes.push({ name, op: "Split", domain: "", inputs: [x, sizes], outputs, attributes: { axis: int(1) } });
    return outputs;
  }

  joined(name, parts) {
    return this.b.add("Concat", name, parts, { axis: int(1) });
  }

  /** ELAN1. */
  elan(name, x, from, to, inner, part) {
    const [a, c] = this.halves(`${name}.split`, this.unit(`${name}.cv1`, x, from, inner, 1), inner);
    const d = this.unit(`${name}.cv2`, c, inner / 2, part, 3);
    const e = this.unit(`${name}.cv3`, d, part, part, 3);
    return this.unit(`${name}.cv4`, this.joined(`${name}.cat`, [a, c, d, e]), inner + 2 * part, to, 1);
  }

  /** RepNCSPELAN4 with three bottlenecks in each part. */
  repElan(name, x, from, to, inner, part) {
    const [a, c] = this.halves(`${name}.split`, this.unit(`${name}.cv1`, x, from, inner, 1), inner);
    const d = this.unit(`${name}.cv2.1`, this.csp(`${name}.cv2.0`, c, inner / 2, part), part, part, 3);
    const e = this.unit(`${name}.cv3.1`, this.csp(`${name}.cv3.0`, d, part, part), part, part, 3);
    return this.unit(`${name}.cv4`, this.joined(`${name}.cat`, [a, c, d, e]), inner + 2 * part, to, 1);
  }

  /** RepNCSP. */
  csp(name, x, from, to) {
    const half = to / 2;
    let y = this.unit(`${name}.cv1`, x, from, half, 1);
    for (let i = 0; i < 3; i++) {
      const deep = this.unit(`${name}.m.${i}.cv2`, this.rep(`${name}.m.${i}.cv1`, y, half), half, half, 3);
      y = this.b.add("Add", `${name}.m.${i}`, [y, deep]);
    }
    return this.unit(
      `${name}.cv3`,
      this.joined(`${name}.cat`, [y, this.unit(`${name}.cv2`, x, from, half, 1)]),
      to,
      to,
      1,
    );
  }

  /** AConv. */
  down(name, x, from, to) {
    const pool = { kernel_shape: ints([2, 2]), strides: ints([1, 1]), pads: ints([0, 0, 0, 0]) };
    return this.unit(name, this.b.add("AveragePool", `${name}.pool`, [x], pool), from, to, 3, { stride: 2 });
  }

  /** SPPELAN. */
  pyramid(name, x, from, to, inner) {
    const parts = [this.unit(`${name}.cv1`, x, from, inner, 1)];
    const pool = { kernel_shape: ints([5, 5]), strides: ints([1, 1]), pads: ints([2, 2, 2, 2]) };
    for (let i = 0; i < 3; i++) parts.push(this.b.add("MaxPool", `${name}.pool${i}`, [parts.at(-1)], pool));
    return this.unit(`${name}.cv5`, this.joined(`${name}.cat`, parts), 4 * inner, to, 1);
  }

  /** Distances and classes of one level of the pyramid: [1, 64 + 80, places]. */
  head(name, x, channels, side) {
    const [box, score] = [4 * bins, Math.max(64, Math.min(2 * classes, 128))];
    const a = this.unit(`${name}.box.0`, x, channels, box, 3);
    const c = this.unit(`${name}.box.1`, a, box, box, 3, { groups: 4 });
    const distances = this.conv(`${name}.box.2`, c, box, box, 1, { groups: 4, bias: true });
    const d = this.unit(`${name}.class.0`, x, channels, score, 3);
    const scores = this.conv(`${name}.class.2`, this.unit(`${name}.class.1`, d, score, score, 3), score, classes, 1, {
      bias: true,
    });
    const both = this.joined(`${name}.both`, [distances, scores]);
    const to = this.b.constant(`${name}.to`, int64([1, box + classes, side ** 2]));
    return { value: this.b.add("Reshape", name, [both, to]), count: side ** 2 };
  }
}
