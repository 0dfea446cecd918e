import { type Dataset, type Model, openDataset, repvgg, type TrainAndTest } from "#repvgg/index.js";

/** Pictures of the shipped Fashion-MNIST subset, the classes in turn. */
export async function someFashion(counts: { train: number; test: number }): Promise<TrainAndTest> {
  const [train, test] = await Promise.all([
    openDataset("fashion-mnist-subset", "train"),
    openDataset("fashion-mnist-subset", "test"),
  ]);
  return { train: first(train, counts.train), test: first(test, counts.test) };
}

function first(dataset: Dataset, count: number): Dataset {
  const taken = dataset.classNames.map(() => 0);
  const indices: number[] = [];
  for (let i = 0; i < dataset.length && indices.length < count; i++) {
    if (taken[dataset.label(i)]++ < count / taken.length) indices.push(i);
  }
  return dataset.select(indices);
}

/** A net that is small enough to train in a second. */
export function smallNet(dataset: Dataset, seed = 0): Model {
  return repvgg(
    { depths: [1, 1], widths: [8, 16, 32], strides: [2, 2, 2] },
    { classNames: dataset.classNames, inputChannels: 1, inputSize: 28, seed },
  );
}
