/** The machine behind figures, without anything that names it. */
export interface Machine {
  /** As the system calls it. */
  readonly processor: string;
  /** That this process may use. */
  readonly cores: number;
  /** Of the machine. */
  readonly memoryGiB: number;
  /** Whether the processor has AVX-512. */
  readonly avx512: boolean;
  /** Version of Node. */
  readonly node: string;
  /** Version of V8. */
  readonly v8: string;
  /** Day of the measurement, as 2026-11-24. */
  readonly date: string;
}
