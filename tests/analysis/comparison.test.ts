import { describe, expect, it } from "vitest";
import { f32, toFloat64 } from "#repvgg/core/named-arrays.js";
import { Rng } from "#repvgg/core/rng.js";
import type { SessionTensor } from "#repvgg/engine/session.js";
import { valueInfo } from "#repvgg/graph/build.js";
import type { Graph } from "#repvgg/graph/graph.js";
import { describeOutput } from "#repvgg/verify/comparison/describe-output.js";
import { GroupMeter } from "#repvgg/verify/comparison/group-meter.js";
import { OutputComparison } from "#repvgg/verify/comparison/output-comparison.js";
import { noiseOf, withNoise } from "#repvgg/verify/comparison/rounding-noise.js";
import { DifferenceMeter } from "#repvgg/verify/difference.js";
import { InputBatch, type VerifyInput, verifyModels } from "#repvgg/verify/verify-models.js";
import { normal, RandomNet } from "../graph/support.js";

const tensor = (shape: readonly number[], at: (i: number) => number): SessionTensor => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((n, size) => n * size, 1) }, (_, i) => at(i)),
});

const changed = ({ shape, data }: SessionTensor, change: (value: number, i: number) => number): SessionTensor =>
  tensor(shape, (i) => change(data[i]!, i));

const output = (name: string) => ({ name, candidateName: name, fromInputs: true });

/** Two batches of one output, and what is said of the second pair of arguments against the first. */
function compare(batches: readonly SessionTensor[], change: (value: number, i: number) => number, threshold = 1e-4) {
  const comparison = new OutputComparison([output("y")]);
  for (const batch of batches) comparison.push("", [batch], [changed(batch, change)], 1);
  return comparison.judge(threshold)[0]!;
}

describe("outputs are compared each by itself", () => {
  const boxes = [1, 2].map((seed) => {
    const rng = new Rng(seed);
    return tensor([1, 4, 8], () => 640 * rng.next());
  });
  const scores = [3, 4].map((seed) => {
    const rng = new Rng(seed);
    return tensor([1, 2, 8], () => rng.next());
  });

  it("so that large ones do not hide small ones", () => {
    const comparison = new OutputComparison([output("boxes"), output("scores")]);
    boxes.forEach((box, i) => {
      comparison.push("", [box, scores[i]!], [box, changed(scores[i]!, (score) => score + 0.01)]);
    });
    const judged = comparison.judge(1e-4);
    expect(judged.map(({ verdict }) => verdict)).toEqual(["same", "different"]);
    expect(judged[1]!.relative).toBeGreaterThan(0.01);
    expect(comparison.overall(judged).relative).toBe(judged[1]!.relative);
    // Pooled, the same error would have been next to nothing.
    const pooled = new DifferenceMeter();
    boxes.forEach((box, i) => {
      pooled.push(box.data, box.data);
      pooled.push(scores[i]!.data, changed(scores[i]!, (score) => score + 0.01).data);
    });
    expect(pooled.result.relative).toBeLessThan(1e-4);
  });

  it.each<[string, readonly number[], (i: number) => boolean, object]>([
    ["channels first", [1, 6, 4, 4], (i) => Math.floor(i / 16) >= 4, { axis: 1, index: 5 }],
    ["channels of boxes", [1, 6, 10], (i) => Math.floor(i / 10) >= 4, { axis: 1, index: 5 }],
    ["a table of boxes", [1, 10, 6], (i) => i % 6 >= 4, { axis: 2, index: 5 }],
    ["a table of boxes alone", [10, 6], (i) => i % 6 >= 4, { axis: 1, index: 5 }],
    ["channels last", [1, 4, 4, 6], (i) => i % 6 >= 4, { axis: 3, index: 5 }],
    ["anchors and a table", [1, 3, 4, 4, 6], (i) => i % 6 >= 4, { axis: 4, index: 5 }],
    ["anchors, then channels", [1, 3, 6, 4, 4], (i) => Math.floor(i / 16) % 6 >= 4, { axis: 2, index: 5 }],
    ["channels behind an empty axis", [1, 1, 6, 10], (i) => Math.floor(i / 10) >= 4, { axis: 2, index: 5 }],
    ["channels without a batch", [6, 10], (i) => Math.floor(i / 10) >= 4, { axis: 0, index: 5 }],
    ["a vector", [6], (i) => i >= 4, { axis: 0, index: 5 }],
  ])("and by channels where one tensor has boxes and scores: %s", (_, shape, isScore, worst) => {
    const rng = new Rng(5);
    const batches = [1, 2].map(() =>
      tensor(shape, (i) => (isScore(i) ? 0.5 + 0.5 * rng.next() : 640 * (0.5 + 0.5 * rng.next()))),
    );
    const channel = (i: number): number => {
      const { axis } = worst as { axis: number };
      return Math.floor(i / shape.slice(axis + 1).reduce((n, size) => n * size, 1)) % shape[axis]!;
    };
    const wrong = compare(batches, (value, i) => (channel(i) === 5 ? value + 0.01 : value));
    expect(wrong).toMatchObject({ verdict: "different", worst });
    expect(wrong.relative).toBeGreaterThan(0.005);
    expect(compare(batches, (value, i) => (channel(i) === 5 ? value * (1 + 1e-6) : value)).verdict).toBe("same");
  });

  it("by kinds of inputs, so that large ones do not hide an error on small ones", () => {
    const rng = new Rng(6);
    const [large, small] = [tensor([4, 3], () => 1000 * rng.normal()), tensor([4, 3], () => rng.normal())];
    const judge = (kinds: readonly [string, string]) => {
      const comparison = new OutputComparison([output("y")]);
      comparison.push(kinds[0], [large], [large]);
      comparison.push(kinds[1], [small], [changed(small, (value) => value + 0.005)]);
      return comparison.judge(1e-4)[0]!.verdict;
    };
    expect(judge(["large", "small"])).toBe("different");
    expect(judge(["one", "one"])).toBe("same");
  });

  it("relative to the reference, however large the candidate", () => {
    const rng = new Rng(7);
    const batches = [tensor([4, 3], () => rng.normal())];
    const exploding = compare(batches, (value) => value * 1e6);
    expect(exploding.relative).toBeCloseTo(1e6, -2);
    const meter = new DifferenceMeter();
    meter.push([1, 2], [1, 2_000_002]);
    expect(meter.result).toMatchObject({ relative: 1e6, maxAbsolute: 2e6, meanAbsolute: 1e6 });
  });

  it("and class disagreements are those of the first output", () => {
    const comparison = new OutputComparison([output("logits"), output("aux")]);
    const logits = tensor([4, 3], (i) => (i % 3 === 0 ? 1 : 0));
    const aux = tensor([4, 3], (i) => (i % 3 === 1 ? 1 : 0));
    comparison.push("", [logits, aux], [logits, changed(aux, (value) => -value)]);
    expect(comparison.top1Disagreements).toBe(0);
    comparison.push("", [logits, aux], [changed(logits, (value) => -value), aux]);
    expect(comparison.top1Disagreements).toBe(4);
    expect(comparison.samples).toBe(8);
  });
});

it("an output whose first axis is not the batch belongs to no one sample", () => {
  const comparison = new OutputComparison([output("logits"), output("boxes")]);
  const [logits, boxes] = [tensor([4, 3], (i) => i), tensor([2, 6], (i) => i)];
  comparison.push("", [logits, boxes], [logits, changed(boxes, (value, i) => (i === 11 ? value + 1 : value))]);
  expect(comparison.worstSample).toEqual({ index: 0, maxAbsolute: 1 });
  comparison.push("", [logits, boxes], [changed(logits, (value, i) => (i === 10 ? value + 2 : value)), boxes]);
  expect(comparison.worstSample).toEqual({ index: 7, maxAbsolute: 2 });
});

it("outputs of other shapes, or another number of them, are refused", () => {
  const comparison = new OutputComparison([output("a"), output("b")]);
  const [x, y] = [tensor([2, 3], (i) => i), tensor([3, 2], (i) => i)];
  expect(() => comparison.push("", [x, x], [x, y])).toThrow(
    "expected output 1 of shape [2,3], as the reference has it, received [3,2]",
  );
  expect(() => comparison.push("", [x, x], [x])).toThrow("expected 2 outputs, received 1");
});

describe("what proves nothing is said", () => {
  const rng = new Rng(8);
  const varied = [1, 2].map(() => tensor([1, 3, 4], () => rng.normal()));

  it("the same NaN on both sides", () => {
    const broken = varied.map((batch) => changed(batch, (value, i) => (Math.floor(i / 4) === 1 ? Number.NaN : value)));
    const judged = compare(broken, (value) => value);
    expect(judged).toMatchObject({
      verdict: "not-finite",
      nonFinite: 0,
      sameNonFinite: 8,
      worst: { axis: 1, index: 1 },
    });
    expect(describeOutput(judged)).toBe(
      '8 of 24 numbers of "y" (channel 1) that are NaN or infinite on both sides, which proves nothing',
    );
    // A difference elsewhere is one all the same.
    expect(compare(broken, (value, i) => (i === 10 ? value + 1 : value))).toMatchObject({ verdict: "different" });
    const infinite = varied.map((batch) => changed(batch, () => Number.POSITIVE_INFINITY));
    expect(compare(infinite, (value) => value).verdict).toBe("not-finite");
    expect(compare(infinite, (value) => -value)).toMatchObject({ verdict: "different", nonFinite: 24 });
  });

  it("NaN on one side is a difference", () => {
    const judged = compare(varied, (value, i) => (i === 9 ? Number.NaN : value));
    expect(judged).toMatchObject({ verdict: "different", nonFinite: 2, worst: { axis: 1, index: 2 } });
    expect(describeOutput(judged)).toMatch(/2 of 24 numbers of "y" \(channel 2\) that are NaN or infinite, not alike/);
  });

  it("numbers beyond float32 on one kind of inputs do not undo the others", () => {
    const comparison = new OutputComparison([output("y")]);
    comparison.push("normal", [varied[0]!], [varied[0]!]);
    comparison.push("normal", [varied[1]!], [varied[1]!]);
    const overflow = changed(varied[0]!, () => Number.POSITIVE_INFINITY);
    comparison.push("huge", [overflow], [overflow]);
    expect(comparison.judge(1e-4)[0]).toMatchObject({ verdict: "same", sameNonFinite: 12 });
    expect(comparison.unreached).toBe(false);
  });

  it("an output that is the same on all inputs, or zero", () => {
    const constant = [1, 2].map(() => tensor([1, 3, 4], (i) => i));
    const judged = compare(constant, (value) => value);
    expect(judged).toMatchObject({ verdict: "constant", constantChannels: 3, channels: 3 });
    expect(describeOutput(judged)).toMatch(/"y" the same on every input that was tried, which proves nothing/);
    const zero = compare(
      [1, 2].map(() => tensor([1, 3, 4], () => 0)),
      (value) => value,
    );
    expect(describeOutput(zero)).toMatch(/"y" all zero on every input/);
    // One sample cannot vary: one number everywhere is suspicious, different numbers are not.
    expect(compare([tensor([1, 3, 4], () => 2)], (value) => value).verdict).toBe("constant");
    expect(compare([tensor([1, 3, 4], (i) => i)], (value) => value).verdict).toBe("same");
    // A difference is one, on constant outputs too.
    expect(compare(constant, (value) => value * 1.01).verdict).toBe("different");
  });

  it("but not one that is made of constants alone", () => {
    const comparison = new OutputComparison([{ ...output("anchors"), fromInputs: false }]);
    const anchors = tensor([1, 5, 2], (i) => i);
    for (let i = 0; i < 2; i++) comparison.push("", [anchors], [anchors]);
    expect(comparison.judge(1e-4)[0]!.verdict).toBe("same");
    expect(comparison.unreached).toBe(false);
  });

  it("channels that stayed the same are counted", () => {
    const batches = varied.map((batch) => changed(batch, (value, i) => (Math.floor(i / 4) === 2 ? 1 : value)));
    expect(compare(batches, (value) => value)).toMatchObject({ verdict: "same", constantChannels: 1, channels: 3 });
  });
});

describe("GroupMeter", () => {
  it("gives each channel's own error and scale", () => {
    const meter = new GroupMeter([2, 3, 2]);
    const [a, b] = [new Float32Array(12).map((_, i) => i), new Float32Array(12).map((_, i) => i)];
    b[2] = 2.5; // sample 0, channel 1, column 0
    b[11] = 10; // sample 1, channel 2, column 1
    meter.push([2, 3, 2], a, b);
    expect([...meter.groups()]).toEqual([
      { axis: 1, index: 0, error: 0, scale: 7, finite: true },
      { axis: 1, index: 1, error: 0.5, scale: 9, finite: true },
      { axis: 1, index: 2, error: 1, scale: 11, finite: true },
      { axis: 2, index: 0, error: 0.5, scale: 10, finite: true },
      { axis: 2, index: 1, error: 1, scale: 11, finite: true },
    ]);
  });
});

/** x → a 1×1 convolution whose channels have these scales, the last one twice the same but for its sign: their sum cancels. */
function cancelling(residue: number): Graph {
  const net = new RandomNet(9);
  const weight = normal(net.rng, [4, 8, 1, 1], 1);
  const rows = toFloat64(weight);
  for (let i = 0; i < 8; i++) {
    rows[3 * 8 + i] = rows[i]!; // channel 3 is channel 0
  }
  net.conv("h", "x", f32([4, 8, 1, 1], Float32Array.from(rows)));
  const mix = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, -(1 - residue), 0, 0, 1);
  net.conv("y", "h", f32([3, 4, 1, 1], mix));
  return net.finish(["n", 8, 4, 4], "y");
}

describe("the reference's own rounding", () => {
  const rng = new Rng(10);
  const inputs: readonly VerifyInput[] = [1, 2].map(() => tensor([2, 8, 4, 4], () => rng.normal()));
  /** The channel that cancels another, with weights that are rounded otherwise: what an honest fold does to the numbers. */
  const moved = (graph: Graph, amount: number): Graph => {
    const weight = graph.initializers.get("h.weight")!;
    const data = toFloat64(weight).map((value, i) => value * (1 + (i >= 24 ? amount : 0)));
    return {
      ...graph,
      initializers: new Map(graph.initializers).set("h.weight", f32(weight.shape, Float32Array.from(data))),
    };
  };

  it("excuses a channel that cancels to nearly nothing, and only by as much", async () => {
    const graph = cancelling(1e-4);
    const honest = await verifyModels(graph, moved(graph, 2 ** -22), inputs, { values: [] });
    expect(honest.byOutput[0]!.verdict).toBe("same");
    expect(honest).toMatchObject({ verdict: "same", agree: true });
    const wrong = await verifyModels(graph, moved(graph, 1e-3), inputs, { values: [] });
    expect(wrong.byOutput[0]).toMatchObject({ verdict: "different", worst: { axis: 1, index: 2 } });
    const slightly = await verifyModels(graph, moved(graph, 2 ** -14), inputs, { values: [] }); // 16 times the noise
    expect(slightly.byOutput[0]!.verdict).toBe("different");
    // A threshold that is given is taken at its word.
    const strict = await verifyModels(graph, moved(graph, 2 ** -22), inputs, { values: [], threshold: 1e-4 });
    expect(strict.verdict).toBe("different");
  });

  it("names a net that is ill-conditioned as a whole", async () => {
    const graph = cancelling(1e-4);
    const only = {
      ...graph,
      initializers: new Map(graph.initializers).set(
        "y.weight",
        f32([1, 4, 1, 1], Float32Array.of(-(1 - 1e-4), 0, 0, 1)),
      ),
    };
    const result = await verifyModels(only, moved(only, 2 ** -22), inputs, { values: [] });
    expect(result).toMatchObject({ verdict: "unproven", agree: false, byOutput: [{ verdict: "ill-conditioned" }] });
    expect(describeOutput(result.byOutput[0]!)).toMatch(/ill-conditioned/);
  });

  it("is not asked for where an output is judged as a whole", async () => {
    const graph = cancelling(1e-4);
    const whole = await verifyModels(graph, moved(graph, 2 ** -14), inputs, { values: [], byChannel: false });
    expect(whole).toMatchObject({ verdict: "same" });
    expect(whole.outputs.relative).toBeLessThan(1e-4);
    const parted = await verifyModels(graph, moved(graph, 1e-2), inputs, { values: [], byChannel: false });
    expect(parted.verdict).toBe("different");
  });

  it("is measured on weights, both ways, not on settings", () => {
    const graph = cancelling(0);
    const [up, down] = ([1, -1] as const).map((sign) => withNoise(graph, noiseOf.f32, 0, sign));
    const [own, a, b] = [graph, up!, down!].map(({ initializers }) => toFloat64(initializers.get("h.weight")!));
    own!.forEach((value, i) => {
      expect(Math.abs(a![i]! / value - 1)).toBeCloseTo(noiseOf.f32, 12);
      expect(a![i]! - value).toBeCloseTo(value - b![i]!, 12);
    });
    const net = new RandomNet(12);
    net.add("Pow", "y", ["x", net.constant("two", f32([], Float32Array.of(2)))]);
    net.add("Resize", "z", ["y", "", net.constant("scales", f32([4], Float32Array.of(1, 1, 2, 2)))]);
    const settings = net.finish(["n", 8, 4, 4], "z");
    expect(withNoise(settings, 0.1, 0, 1).initializers).toEqual(settings.initializers);
  });
});

describe("inputs that do not reach an output", () => {
  /** A Clip that passes numbers beyond 100 only: silent on standard normal inputs. */
  function deaf(bias: number): Graph {
    const net = new RandomNet(13);
    net.conv("h", "x", f32([1, 1, 1, 1], Float32Array.of(1)), { bias: f32([1], Float32Array.of(bias)) });
    net.add("Relu", "y", ["h"]);
    return net.graph("deaf", [valueInfo("x", ["n", 1, 4, 4])], [valueInfo("y", ["n", 1, 4, 4])]);
  }
  const rng = new Rng(14);
  const quiet = [1, 2].map(() => tensor([1, 1, 4, 4], () => rng.normal()));
  const loud = [1, 2].map(
    (i) =>
      new InputBatch(
        "loud",
        tensor([1, 1, 4, 4], () => 500 * i * rng.normal()),
      ),
  );

  it("are followed by others before it is said", async () => {
    const options = { values: [] };
    const unproven = await verifyModels(deaf(-100), deaf(-101), quiet, options);
    expect(unproven).toMatchObject({ verdict: "unproven", agree: false, byOutput: [{ verdict: "constant" }] });
    const found = await verifyModels(deaf(-100), deaf(-101), quiet, { ...options, further: () => loud });
    expect(found).toMatchObject({ verdict: "different", samples: 4 });
    const same = await verifyModels(deaf(-100), deaf(-100), quiet, {
      ...options,
      further: () => loud,
      oneAtATime: true,
    });
    expect(same).toMatchObject({ verdict: "same", samples: 4 });
    const reached = await verifyModels(deaf(0), deaf(0), quiet, { ...options, further: () => loud });
    expect(reached.samples).toBe(2);
  });
});
