// ResNets (He et al. 2015, with the stride in the 3×3 convolution as torchvision has it) as graphs, with random weights: for
// comparisons of speed and for tests of the engine. Names are torchvision's.
import { f32 } from "#repvgg/core/named-arrays.js";
import { rngFor } from "#repvgg/core/rng.js";
import { int, ints } from "#repvgg/graph/attributes.js";
import { GraphBuilder, valueInfo } from "#repvgg/graph/build.js";

const variants = {
  18: { depths: [2, 2, 2, 2], bottleneck: false },
  34: { depths: [3, 4, 6, 3], bottleneck: false },
  50: { depths: [3, 4, 6, 3], bottleneck: true },
  101: { depths: [3, 4, 23, 3], bottleneck: true },
};

/**
 * ResNet-18, 34, 50 or 101: weights by He's rule (normal, σ = √(2 / fan in)) and BatchNorm statistics that are not trivial, the same for
 * the same seed. `width`: channels of the stem (64 in the papers). `weights`: makes others, by name and shape.
 */
export function resnet(
  depth,
  { classes = 1000, width = 64, seed = 0, weights = (name, shape) => heWeights(seed, name, shape) } = {},
) {
  const { depths, bottleneck } = variants[depth];
  const b = new GraphBuilder();
  const convolution = (name, input, shape, { stride = 1 } = {}) =>
    b.conv(name, input, weights(name, shape), { stride, padding: (shape[2] - 1) / 2 });
  const batchNorm = (name, input, channels, gain = 1) =>
    b.batchNorm(name, input, statistics(seed, name, channels, gain));
  const relu = (name, input) => b.add("Relu", name, [input]);

  let x = relu("relu", batchNorm("bn1", convolution("conv1", "input", [width, 3, 7, 7], { stride: 2 }), width));
  const pool = { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) };
  x = b.add("MaxPool", "maxpool", [x], pool);
  let channels = width;
  for (const [stage, count] of depths.entries()) {
    const inner = width * 2 ** stage;
    const outer = bottleneck ? 4 * inner : inner;
    for (let block = 0; block < count; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const name = `layer${stage + 1}.${block}`;
      const convolutions = bottleneck
        ? [
            { out: inner, size: 1 },
            { out: inner, size: 3, stride },
            { out: outer, size: 1 },
          ]
        : [
            { out: inner, size: 3, stride },
            { out: outer, size: 3 },
          ];
      let y = x;
      let from = channels;
      for (const [i, { out, size, ...step }] of convolutions.entries()) {
        const last = i === convolutions.length - 1;
        y = convolution(`${name}.conv${i + 1}`, y, [out, from, size, size], step);
        y = batchNorm(`${name}.bn${i + 1}`, y, out, last ? 0.25 : 1); // the sum of many blocks stays of the size of one
        if (!last) y = relu(`${name}.relu${i + 1}`, y);
        from = out;
      }
      if (stride > 1 || channels !== outer) {
        x = convolution(`${name}.downsample.0`, x, [outer, channels, 1, 1], { stride });
        x = batchNorm(`${name}.downsample.1`, x, outer);
      }
      x = relu(name, b.add("Add", `${name}.add`, [y, x]));
      channels = outer;
    }
  }
  return withClassifier(b, `ResNet-${depth}`, x, channels, classes, weights);
}

function withClassifier(b, name, features, channels, classes, weights) {
  const pooled = b.add("Flatten", "flatten", [b.add("GlobalAveragePool", "avgpool", [features])], { axis: int(1) });
  b.constant("fc.weight", weights("fc", [classes, channels]));
  b.constant("fc.bias", f32([classes]));
  b.add("Gemm", "logits", [pooled, "fc.weight", "fc.bias"], { transB: int(1) });
  const input = valueInfo("input", ["batch", 3, "height", "width"]);
  return b.graph(name, [input], [valueInfo("logits", ["batch", classes])]);
}

function heWeights(seed, name, shape) {
  const rng = rngFor(seed, name);
  const [out, ...fan] = shape;
  const fanIn = fan.reduce((a, c) => a * c, 1);
  const deviation = Math.sqrt(2 / fanIn);
  return f32(
    shape,
    Float32Array.from({ length: out * fanIn }, () => rng.normal() * deviation),
  );
}

function statistics(seed, name, channels, gain) {
  const rng = rngFor(seed, name);
  const vector = (low, high) =>
    f32(
      [channels],
      Float32Array.from({ length: channels }, () => rng.uniform(low, high)),
    );
  return {
    weight: vector(0.8 * gain, 1.2 * gain),
    bias: vector(-0.1, 0.1),
    mean: vector(-0.1, 0.1),
    variance: vector(0.8, 1.2),
  };
}
