import type { Measured } from "./measure.js";

/** What one step did. Plain JSON. */
export interface QuantizationStep {
  /** "cross-layer equalization (weights)". */
  readonly name: string;
  /** On the calibration pictures, after it; absent without pictures. */
  readonly measured?: Measured;
  /** False: it was tried, and another way was better. */
  readonly kept: boolean;
}

/** A layer that stays in float, and why. */
export interface FloatLayer {
  /** Of its node. */
  readonly name: string;
  /** In a sentence's end. */
  readonly reason: string;
}
