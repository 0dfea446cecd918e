import { evaluationLoader, uniqueSkipped } from "../api/datasets.node.js";
import type { TrainingSets } from "../api/training-sets.js";
import type { Backend } from "../backend/backend.js";
import type { Dataset, SkippedFile } from "../data/dataset.js";
import type { Loader } from "../data/loader.js";
import { createLoader, type ThreadedLoaderOptions } from "../data/loader.node.js";
import type { Model } from "../nn/model.js";
import type { TrainConfig } from "../train/config.js";
import { computeFeatures, type Features, featureLoader, seesSamePictures } from "../train/features.js";
import { freezingOf } from "../train/freezing.js";
import type { TrainingBatch } from "../train/training-batch.js";

/** What a run is fed: pictures, or what a frozen part of the net makes of them. */
export interface TrainingLoaders {
  readonly train: Loader<TrainingBatch>;
  /** Undefined where no pictures judge the epochs. */
  readonly validation: Loader<TrainingBatch> | undefined;
  skipped(): readonly SkippedFile[];
  dispose(): Promise<void>;
}

export interface LoadersOptions extends Pick<ThreadedLoaderOptions, "workers" | "onSkip"> {
  readonly signal?: AbortSignal;
  /** Told of the pictures whose features are computed. */
  readonly onFeatures?: (done: number, total: number) => void;
  readonly onRemark?: (sentence: string) => void;
}

/**
 * Loaders of a run. Where a part of the net is frozen and sees the same pictures in every epoch, its features are computed here, once;
 * pictures are then decoded no more.
 * @param model whose frozen part is as it will be at the run's end
 */
export async function trainingLoaders(
  backend: Backend,
  model: Model,
  sets: Pick<TrainingSets, "train" | "validation">,
  config: TrainConfig,
  options: LoadersOptions,
): Promise<TrainingLoaders> {
  if (freezingOf(model.architecture, config).blocks > 0) {
    const kept = await keptFeatures(backend, model, sets, config, options);
    if (kept) return kept;
  }
  const { size, channels, cropRatio } = model.metadata.preprocessing;
  const { batchSize, seed, augmentation } = config;
  const loading = given(options);
  const train = createLoader(sets.train, { batchSize, size, channels, cropRatio, augmentation, seed, ...loading });
  const validation = sets.validation && evaluationLoader(sets.validation, model, { batchSize, ...loading });
  return {
    ...{ train, validation },
    skipped: () => uniqueSkipped(train.skipped, validation?.skipped ?? []),
    dispose: async () => {
      await Promise.all([train.dispose(), validation?.dispose()]);
    },
  };
}

/** Undefined, with a remark why: the frozen part runs in every step. */
async function keptFeatures(
  backend: Backend,
  model: Model,
  { train, validation }: Pick<TrainingSets, "train" | "validation">,
  config: TrainConfig,
  options: LoadersOptions,
): Promise<TrainingLoaders | undefined> {
  const { signal, onFeatures, onRemark } = options;
  if (!seesSamePictures(config)) {
    onRemark?.(
      "the frozen part runs in every step, because pictures are varied or mixed; unvaried (--augmentation none) its features are computed once and kept",
    );
    return undefined;
  }
  const skipped: SkippedFile[] = [];
  const total = train.length + (validation?.length ?? 0);
  const compute = async (dataset: Dataset, before: number): Promise<Features | undefined> => {
    const loader = evaluationLoader(dataset, model, { batchSize: 64, ...given(options) });
    const onPictures = (done: number): void => onFeatures?.(before + done, total);
    onPictures(0);
    try {
      const limits = { pictures: dataset.length, onPictures, ...(signal && { signal }) };
      return await computeFeatures(backend, model, config, loader, limits);
    } finally {
      skipped.push(...loader.skipped);
      await loader.dispose();
    }
  };
  const own = await compute(train, 0);
  const judging = own && validation && (await compute(validation, train.length));
  if (!own || (validation && !judging)) {
    if (!signal?.aborted) onRemark?.("the frozen part runs in every step: its features would take more than 512 MiB");
    return undefined;
  }
  onRemark?.(
    `what the frozen part makes of ${total} pictures is computed once and kept: [${own.shape.join(", ")}] of each`,
  );
  const fed = { seed: config.seed, batchSize: config.batchSize };
  return {
    train: featureLoader(own, { ...fed, name: train.name, shuffle: true }),
    validation: judging && featureLoader(judging, { ...fed, name: validation!.name, shuffle: false }),
    skipped: () => uniqueSkipped(skipped),
    dispose: async () => undefined,
  };
}

function given({ workers, onSkip }: LoadersOptions): Pick<ThreadedLoaderOptions, "workers" | "onSkip"> {
  return { ...(workers !== undefined && { workers }), ...(onSkip && { onSkip }) };
}
