import fc from "fast-check";
import { describe, it } from "vitest";
import { f32 } from "#repvgg/core/named-arrays.js";
import { float, int, ints, string } from "#repvgg/graph/attributes.js";
import { int64 } from "#repvgg/graph/build.js";
import { randomArray } from "./compare.js";
import { engineBackends, expectCase, type NodeCase } from "./node-case.js";

/** Sizes from 1, odd ones and more than a vector among them. */
const size = (max: number) => fc.integer({ min: 1, max });
const flag = fc.integer({ min: 0, max: 1 });
const runs = { numRuns: 25 };

const product = fc
  .record({ batch: fc.array(fc.tuple(size(3), flag, flag), { maxLength: 4 }), m: size(20), k: size(40), n: size(40) })
  .map(({ batch, m, k, n }): NodeCase => {
    // Along each leading axis an operand may have one element only.
    const [a, b] = [batch.map(([s, one]) => (one ? 1 : s)), batch.map(([s, , one]) => (one ? 1 : s))];
    const inputs = [randomArray("a", [...a, m, k]), randomArray("b", [...b, k, n])];
    return { op: "MatMul", what: `[${a},${m},${k}] · [${b},${k},${n}]`, inputs, computed: [0, 1] };
  });

const transposed = fc
  .record({
    ...{
      batch: size(2),
      groups: fc.constantFrom(1, 2, 3),
      inputs: size(9),
      outputs: size(9),
      height: size(6),
      width: size(6),
    },
    ...{
      kernel: fc.tuple(size(4), size(4)),
      strides: fc.tuple(size(3), size(3)),
      dilations: fc.tuple(size(2), size(2)),
    },
    ...{ pad: fc.tuple(flag, flag, flag, flag), more: fc.tuple(flag, flag) },
  })
  .map((c): NodeCase => {
    const extents = [c.height, c.width].map(
      (s, i) => c.strides[i]! * (s - 1) + (c.kernel[i]! - 1) * c.dilations[i]! + 1,
    );
    // Pads take no more away than leaves something.
    const pads = c.pad.map((p, i) => (extents[i % 2]! > 2 ? p : 0));
    const more = c.more.map((m, i) => (c.strides[i]! > 1 ? m : 0));
    return {
      op: "ConvTranspose",
      what: JSON.stringify(c),
      inputs: [
        randomArray("x", [c.batch, c.groups * c.inputs, c.height, c.width]),
        randomArray("w", [c.groups * c.inputs, c.outputs, ...c.kernel]),
        randomArray("b", [c.groups * c.outputs]),
      ],
      attributes: {
        ...{ group: int(c.groups), strides: ints(c.strides), dilations: ints(c.dilations) },
        ...{ pads: ints(pads), output_padding: ints(more) },
      },
      tolerance: 2e-5,
    };
  });

const resize = fc
  .record({
    ...{ batch: size(2), channels: size(20), from: fc.tuple(size(9), size(9)), to: fc.tuple(size(12), size(12)) },
    mode: fc.constantFrom("nearest", "linear", "cubic"),
    coordinates: fc.constantFrom("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"),
    ...{ antialias: flag, exclude: flag },
  })
  .map(
    (c): NodeCase => ({
      op: "Resize",
      what: JSON.stringify(c),
      inputs: [
        randomArray("x", [c.batch, c.channels, ...c.from]),
        undefined,
        undefined,
        int64([c.batch, c.channels, ...c.to]),
      ],
      attributes: {
        ...{ mode: string(c.mode), coordinate_transformation_mode: string(c.coordinates), cubic_coeff_a: float(-0.6) },
        ...(c.mode !== "nearest" && { antialias: int(c.antialias) }),
        ...(c.mode === "cubic" && { exclude_outside: int(c.exclude) }),
      },
      opset: 18,
      // Halfway between two elements and at the ends of filters ONNX Runtime's float32 decides by its rounding: tests/graph/resampling.test.ts.
      withoutOnnxRuntime: true,
    }),
  );

const pad = fc
  .record({
    shape: fc.array(size(6), { minLength: 1, maxLength: 5 }),
    mode: fc.constantFrom("constant", "reflect", "edge", "wrap"),
    pads: fc.array(fc.integer({ min: -2, max: 3 }), { minLength: 10, maxLength: 10 }),
  })
  .map(({ shape, mode, pads }): NodeCase => {
    // What is cropped leaves one element at least.
    const begins = shape.map((s, axis) => Math.max(pads[axis]!, 1 - s));
    const ends = shape.map((s, axis) => Math.max(pads[axis + 5]!, 1 - s - Math.min(0, begins[axis]!)));
    return {
      op: "Pad",
      what: `[${shape}] ${mode} ${begins} ${ends}`,
      inputs: [randomArray("x", shape), int64([...begins, ...ends]), f32([], Float32Array.of(-0.5))],
      attributes: { mode: string(mode) },
      opset: 19,
      withoutOnnxRuntime: true, // which reflects no further than an axis is long
    };
  });

const top = fc
  .record({ shape: fc.array(size(9), { minLength: 1, maxLength: 4 }), axis: fc.nat(), k: fc.nat(), largest: flag })
  .map(({ shape, axis: any, k: kept, largest }): NodeCase => {
    const axis = any % shape.length;
    const k = 1 + (kept % shape[axis]!);
    const x = randomArray("x", shape);
    return {
      op: "TopK",
      what: `${k} of [${shape}] along ${axis}, largest ${largest}`,
      inputs: [f32(shape, x.data.map(Math.round)), int64([k])],
      attributes: { axis: int(axis), largest: int(largest) },
      outputs: ["f32", "i64"],
      opset: 11,
    };
  });

describe.each(engineBackends.slice(1))("on $name, of any shape:", ({ backend }) => {
  it.each(Object.entries({ MatMul: product, ConvTranspose: transposed, Resize: resize, Pad: pad, TopK: top }))(
    "%s",
    async (_, cases: fc.Arbitrary<NodeCase>) => {
      await fc.assert(
        fc.asyncProperty(cases, (c) => expectCase(backend, c)),
        runs,
      );
    },
  );
});
