// The recipes of docs/train.md: what `repvgg train` is told, besides the data's place, the seed and the run's folder. How they were chosen stands there.
export const recipes = {
  "fashion-mnist": {
    data: "fashion-mnist",
    options:
      "--depths 1,2,2 --widths 32,64,128,256 --strides 1,2,2,2 --epochs 15 --batch-size 128 --learning-rate 0.2 --weight-decay 5e-4 --warmup-epochs 1 --label-smoothing 0.1 --ema 0.998 --augmentation flip --erasing 0.5 --validation 0",
  },
  cifar10: {
    data: "path/to/cifar10",
    options:
      "--depths 2,3,2 --widths 48,96,160,192 --strides 1,2,2,2 --size 32 --epochs 40 --batch-size 128 --learning-rate 0.2 --weight-decay 5e-4 --warmup-epochs 1 --label-smoothing 0.1 --ema 0.998 --augmentation small-photographs --erasing 0.25 --validation 0.1",
  },
};

const cifar10 = {
  data: "cifar10",
  learningRate: 0.2,
  weightDecay: 5e-4,
  labelSmoothing: 0.1,
  ema: 0.99,
  augmentation: "small-photographs",
};
const fashion = {
  data: "fashion-mnist",
  epochs: 8,
  learningRate: 0.2,
  weightDecay: 5e-4,
  warmupEpochs: 1,
  labelSmoothing: 0.1,
  ema: 0.99,
};
const small = { depths: [1, 2, 2], widths: [32, 64, 128, 256], strides: [1, 2, 2, 2] };

/** What was tried on held-out training pictures (recipe-trials.mjs), by name. */
export const trials = {
  "cifar10: 2,2": {
    ...cifar10,
    depths: [2, 2],
    widths: [64, 128, 256],
    strides: [1, 2, 2],
    epochs: 3,
    warmupEpochs: 0.5,
  },
  "cifar10: 1,2,2 at 32×32": {
    ...cifar10,
    depths: [1, 2, 2],
    widths: [32, 48, 128, 256],
    strides: [1, 1, 2, 2],
    epochs: 3,
    warmupEpochs: 0.5,
  },
  "cifar10: 1,2,2": {
    ...cifar10,
    depths: [1, 2, 2],
    widths: [48, 96, 192, 256],
    strides: [1, 2, 2, 2],
    epochs: 5,
    warmupEpochs: 0.8,
  },
  "cifar10: 2,3,2": {
    ...cifar10,
    depths: [2, 3, 2],
    widths: [48, 96, 160, 192],
    strides: [1, 2, 2, 2],
    epochs: 4,
    warmupEpochs: 0.65,
  },
  "fashion-mnist: flip": { ...fashion, ...small, augmentation: "flip" },
  "fashion-mnist: shift and flip": { ...fashion, ...small, augmentation: "small-images" },
  "fashion-mnist: flip and erase": { ...fashion, ...small, augmentation: "flip", erasing: 0.5 },
};
