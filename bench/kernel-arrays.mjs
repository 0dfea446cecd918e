// Memory for a call of a kernel at the shape that kernels/kernels.def gives its bench, with numbers in it.
import { kernelExtents } from "#repvgg/backend/kernel-extents.js";

/** Arguments whose numbers are whole: places in other arrays. All shapes have more than 7 of them. */
const places = new Set(["indices", "source_y", "source_x", "chosen"]);
/** Those that are squares. */
const squares = new Set(["square", "variance"]);

/**
 * The arrays of a kernel of scripts/kernel-list.mjs that has a shape: name of the argument, contents, and whether the kernel writes it.
 * The same numbers each time: in [−0.5, 0.5), or from 0 to 6 where they are places.
 */
export function kernelArrays({ name, shape }) {
  // A tile is asked for by convolutions only, which have no shape.
  const { reads = {}, writes } = kernelExtents[name](shape, { panelColumns: 0, microRows: 0 });
  return [...Object.entries(reads), ...Object.entries(writes)].map(([marked, extent]) => {
    const argument = marked.replace("?", "");
    const [first, end] = typeof extent === "number" ? [0, extent] : extent;
    if (first !== 0 || !(end > 0))
      throw new Error(`${name} touches words ${first} to ${end} of ${argument}: not a shape to run`);
    return { name: argument, values: numbers(argument, end), written: marked in writes };
  });
}

function numbers(argument, count) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = ((i * 7919) % 1013) / 1013 - 0.5;
    values[i] = places.has(argument) ? i % 7 : squares.has(argument) ? value * value : value;
  }
  return values;
}
