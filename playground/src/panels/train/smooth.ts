import type { Point } from "./training-run.svelte.js";

/** Exponential moving mean, free of the bias towards its start. */
export function smooth(points: readonly Point[], decay = 0.9): Point[] {
  let mean = 0;
  let total = 0;
  return points.map(({ x, y }) => {
    mean = decay * mean + (1 - decay) * y;
    total = decay * total + (1 - decay);
    return { x, y: mean / total };
  });
}
