import { rngFor } from "#repvgg/core/rng.js";

/** The statistics that training leaves, at random: fresh ones (0 and 1) would hide mistakes. */
export function withStatistics(model) {
  const draw = {
    running_mean: (rng) => 0.1 * rng.normal(),
    running_var: (rng) => rng.uniform(0.5, 1.5),
    weight: (rng) => rng.uniform(0.5, 1.5),
    bias: (rng) => 0.1 * rng.normal(),
  };
  const state = [...model.state].map(([name, array]) => {
    const make = array.shape.length === 1 && !name.startsWith("linear.") ? draw[name.split(".").at(-1)] : undefined;
    if (!make) return [name, array];
    const rng = rngFor(0, "bench", name);
    return [name, { ...array, data: Float32Array.from(array.data, () => make(rng)) }];
  });
  return { ...model, state: new Map(state) };
}
