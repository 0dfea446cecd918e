import type { Peaks } from "./peaks.js";

/** Where work stands under the roof of its machine (Williams, Waterman and Patterson, "Roofline", 2009). */
export interface RoofPosition {
  /** Floating-point operations that are really made, for each byte that is read or written. */
  readonly intensity: number;
  /** 10⁹ operations, and bytes, a second. */
  readonly gigaflops: number;
  readonly gigabytesPerSecond: number;
  /** The least time that the peaks allow / the time taken. Above 1 where data come from a cache and not from memory. */
  readonly ofRoof: number;
  /** What takes that least time. */
  readonly bound: "arithmetic" | "memory";
}

interface Work {
  readonly multiplications: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly milliseconds: number;
}

export function roofPosition(
  { multiplications, bytesRead, bytesWritten, milliseconds }: Work,
  peaks: Peaks,
): RoofPosition {
  const [operations, bytes, seconds] = [2 * multiplications, bytesRead + bytesWritten, milliseconds / 1000];
  const [arithmetic, memory] = [operations / peaks.gigaflops / 1e9, bytes / peaks.gigabytesPerSecond / 1e9];
  const rate = (amount: number): number => (seconds > 0 ? amount / seconds / 1e9 : 0);
  return {
    intensity: bytes > 0 ? operations / bytes : 0,
    gigaflops: rate(operations),
    gigabytesPerSecond: rate(bytes),
    ofRoof: seconds > 0 ? Math.max(arithmetic, memory) / seconds : 0,
    bound: arithmetic >= memory ? "arithmetic" : "memory",
  };
}
