import type { Batch } from "../data/dataset.js";

/** A batch whose pictures went through the frozen part of the net before. */
export interface FeatureBatch extends Pick<Batch, "size" | "labels" | "indices"> {
  /** Of one picture: [H,W,C], or [C]. */
  readonly shape: readonly number[];
  /** [size][…shape] */
  readonly features: Float32Array;
}

/** What a step is fed. */
export type TrainingBatch = Batch | FeatureBatch;

/** A batch in `count` equal parts, without copies; a batch that does not divide leaves a smaller last one, or fewer. */
export function partsOf(batch: TrainingBatch, count: number): TrainingBatch[] {
  if (count === 1) return [batch];
  const size = Math.ceil(batch.size / count);
  const result: TrainingBatch[] = [];
  for (let from = 0; from < batch.size; from += size) {
    const to = Math.min(batch.size, from + size);
    const each = {
      size: to - from,
      labels: batch.labels.subarray(from, to),
      indices: batch.indices.subarray(from, to),
    };
    if ("features" in batch) {
      const length = batch.features.length / batch.size;
      result.push({ ...batch, ...each, features: batch.features.subarray(from * length, to * length) });
    } else {
      const bytes = batch.height * batch.width * batch.channels;
      result.push({ ...batch, ...each, images: batch.images.subarray(from * bytes, to * bytes) });
    }
  }
  return result;
}
