import { type GridSampleMode, type GridSamplePadding, gridSample } from "#repvgg/operators/grid-sample.js";
import { flags, type KernelCase, random } from "./case.js";

const modes: readonly GridSampleMode[] = ["nearest", "linear", "cubic"];
const paddings: readonly GridSamplePadding[] = ["zeros", "border", "reflection"];

/** Sizes of the input's axes, points and channels. */
const forms: readonly {
  readonly sizes: readonly number[];
  readonly batch: number;
  readonly points: number;
  readonly channels: number;
}[] = [
  { sizes: [1, 1], batch: 1, points: 1, channels: 1 },
  { sizes: [5, 7], batch: 2, points: 40, channels: 3 },
  { sizes: [4, 3], batch: 1, points: 300, channels: 70 },
  { sizes: [3, 4, 5], batch: 2, points: 50, channels: 9 },
];

export const gridSampleCases: readonly KernelCase[] = forms.flatMap(({ sizes, batch, points, channels }) =>
  modes.flatMap((mode, modeId) =>
    paddings.flatMap((padding, paddingId) =>
      flags.map((align_corners): KernelCase => {
        const axes = sizes.length;
        const pixels = sizes.reduce((a, b) => a * b, 1);
        const x = random(1, batch * pixels * channels);
        const grid = random(2, batch * points * axes, -1.8, 1.8);
        // The definition, which ONNX Runtime is held against, works channels first.
        const first = Float64Array.from(x, (_, at) => {
          const [pixel, c, n] = [at % pixels, Math.floor(at / pixels) % channels, Math.floor(at / pixels / channels)];
          return x[(n * pixels + pixel) * channels + c]!;
        });
        const shape = [batch, channels, ...sizes];
        const gridShape = [batch, ...sizes.map((_, i) => (i === 0 ? points : 1)), axes];
        const options = { mode, padding, alignCorners: align_corners === 1 };
        const sampled = gridSample(
          { shape, data: first },
          { shape: gridShape, data: Float64Array.from(grid) },
          options,
        );
        const after = Float64Array.from(sampled.data, (_, at) => {
          const [c, p, n] = [at % channels, Math.floor(at / channels) % points, Math.floor(at / channels / points)];
          return sampled.data[(n * channels + c) * points + p]!;
        });
        const [in_width, in_height, in_depth = 1] = sizes.toReversed() as [number, number, number?];
        return {
          kernel: "grid_sample_forward",
          title: `[${shape}] at ${points}, ${mode}, ${padding}, align corners ${align_corners}`,
          scalars: {
            ...{ batch, in_depth, in_height, in_width, channels, points, axes },
            ...{ mode: modeId, padding: paddingId, align_corners },
          },
          inputs: { x, grid },
          outputs: { y: { before: random(3, after.length), after, relative: 0, absolute: 2e-5 } },
        };
      }),
    ),
  ),
);
