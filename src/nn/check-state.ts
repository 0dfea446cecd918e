import { asFloat32 } from "../core/deferred-array.js";
import { nearest, UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import { elementCount } from "../core/named-arrays.js";
import type { StateSchema } from "./schema-builder.js";

/**
 * Checks names and shapes of a state. A missing `num_batches_tracked` is no error: checkpoints older than PyTorch 0.4.1
 * and several converters leave it out.
 * @throws UserError that lists what is missing, unexpected (with the nearest name) or of another shape.
 */
export function checkState(state: NamedArrays, schema: StateSchema): void {
  const missing = [...schema.values()].filter((entry) => entry.kind !== "bn-count" && !state.has(entry.name));
  const unexpected = [...state.keys()].filter((name) => !schema.has(name));
  if (missing.length || unexpected.length) {
    const near =
      unexpected[0] === undefined
        ? undefined
        : nearest(
            unexpected[0],
            missing.map((entry) => entry.name),
          );
    throw new UserError({
      expected: `the ${schema.size} weights of this architecture and form`,
      received: [
        missing.length ? `${missing.length} missing (${some(missing.map((entry) => entry.name))})` : "",
        unexpected.length ? `${unexpected.length} unexpected (${some(unexpected)})` : "",
      ]
        .filter(Boolean)
        .join(" and "),
      remedy: near ? `"${unexpected[0]}" may be "${near}"` : "check the architecture, the form and the naming scheme",
    });
  }
  for (const [name, array] of state) {
    const entry = schema.get(name)!;
    // Some writers store the counter as [1].
    const fits = entry.kind === "bn-count" ? elementCount(array.shape) === 1 : sameShape(array.shape, entry.shape);
    if (!fits) {
      throw new UserError({
        expected: `${name} of shape [${entry.shape.join(", ")}]`,
        received: `[${array.shape.join(", ")}]`,
        remedy: "check depths, widths, groups and classes of the architecture",
      });
    }
  }
}

/**
 * A checked state as a {@link NamedArrays} in the official order: floating values as float32, missing counters as 0.
 * @throws UserError as {@link checkState}.
 */
export function conformState(state: NamedArrays, schema: StateSchema): NamedArrays {
  checkState(state, schema);
  const result = new Map<string, NamedArray>();
  for (const { name, shape, dtype } of schema.values()) {
    const array = state.get(name);
    if (dtype === "f32") result.set(name, asFloat32(array!));
    else result.set(name, { dtype, shape, data: BigInt64Array.of(array ? BigInt(array.data[0]!) : 0n) });
  }
  return result;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

function some(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")}, …`;
}
