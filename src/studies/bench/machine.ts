/** The machine behind figures, without anything that names it. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly avx512: boolean;
  readonly node: string;
  readonly v8: string;
  /** Day of the measurement, as 2026-11-24. */
  readonly date: string;
}
