import { UserError } from "../core/errors.js";
import type { CalibrationPictures } from "./runner.js";

/** Fewer pictures tell no ranges; more than the most tell nothing new. */
export const pictureLimits = { least: 10, most: 500 } as const;

/** @throws UserError for no pictures, or fewer than 10 */
export function checkCount(count: number, place: string): void {
  if (count < pictureLimits.least) {
    throw new UserError({
      expected: `at least ${pictureLimits.least} pictures to calibrate on, better 100 to ${pictureLimits.most}`,
      received: count === 0 ? `none in ${place}` : `${count} in ${place}`,
      remedy: "give more of what the net was trained on; a net in training form needs none (leave --data out)",
    });
  }
}

/**
 * Checks that pictures can be calibrated on.
 * @throws UserError for none, fewer than 10, or of one class alone
 */
export function checkPictures({ count, batches }: CalibrationPictures, place: string): void {
  checkCount(count, place); // some of them could not be read, maybe
  const labels = new Set(batches.flatMap((batch) => [...(batch.labels ?? [])]));
  if (labels.size !== 1) return;
  throw new UserError({
    expected: "calibration pictures of several classes",
    received: `${count} pictures of one class in ${place}`,
    remedy: "what the others need would be cut off: give pictures of all classes",
  });
}
