/** Memory of activations of one form, planned and really used, on one kind of kernels. */
export interface MemoryUse {
  readonly form: string;
  readonly backend: string;
  /** For one run of `batch` pictures. */
  readonly batch: number;
  /** Most activations alive at once, by the plan. */
  readonly plannedBytes: number;
  /** The arena that the session has for them and for scratch memory. */
  readonly arenaBytes: number;
  /** Of the arena, what one run really wrote: it was filled with a pattern before. */
  readonly writtenBytes: number;
  /** How much a process grows with the batch. Absent where the system does not tell (RssAnon of Linux). */
  readonly growth?: MemoryGrowth;
}

/**
 * From one batch to a larger one, in processes of their own: what both need drops out. Packed weights are taken off (a larger batch
 * may have other algorithms).
 */
export interface MemoryGrowth {
  readonly batches: readonly [small: number, large: number];
  /** Bytes a picture: arena, input and outputs by the plan; and the difference of the processes' resident memory after a run, each less its weights. */
  readonly plannedBytes: number;
  readonly usedBytes: number;
}
