import { build, type KernelCase, random } from "./case.js";

/** [batch, positions, channels] */
const shapes = [
  [1, 1, 1],
  [2, 5, 3],
  [1, 33, 70],
  [3, 1, 10],
  [2, 1024, 3],
  [1, 3000, 17],
] as const;

const exact = { relative: 0, absolute: 0 };

export const layoutCases: readonly KernelCase[] = shapes.flatMap(([batch, positions, channels]): KernelCase[] => {
  const size = batch * positions * channels;
  const x = random(1, size);
  const before = random(2, size);
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 37 + (i >> 8)) & 255);
  const scale = random(3, channels, 0.01, 0.02);
  const shift = random(4, channels, -2, 2);
  const title = `[${batch}][${positions}][${channels}]`;
  const scalars = { batch, positions, channels };
  return [
    {
      kernel: "nchw_to_nhwc",
      title,
      scalars,
      inputs: { x },
      outputs: {
        y: {
          before,
          after: build(size, (i) => {
            const c = i % channels;
            const p = Math.floor(i / channels) % positions;
            const image = Math.floor(i / channels / positions);
            return x[(image * channels + c) * positions + p]!;
          }),
          ...exact,
        },
      },
    },
    {
      kernel: "nhwc_to_nchw",
      title,
      scalars,
      inputs: { x },
      outputs: {
        y: {
          before,
          after: build(size, (i) => {
            const p = i % positions;
            const c = Math.floor(i / positions) % channels;
            const image = Math.floor(i / channels / positions);
            return x[(image * positions + p) * channels + c]!;
          }),
          ...exact,
        },
      },
    },
    {
      kernel: "image_normalize",
      title,
      scalars: { pixels: batch * positions, channels },
      inputs: { x: bytes, scale, shift },
      outputs: {
        y: {
          before,
          after: build(size, (i) => bytes[i]! * scale[i % channels]! + shift[i % channels]!),
          relative: 2e-7,
          absolute: 5e-7,
        },
      },
    },
  ];
});
