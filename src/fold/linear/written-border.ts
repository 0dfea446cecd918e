import type { Pads } from "../../conv-algebra/geometry.js";
import { type Refusal, refuse } from "../refusals.js";

/** Constants written over a value: for each element whether it is written, and what. */
export interface Written {
  readonly shape: readonly number[];
  readonly mask: Uint8Array;
  readonly values: Float64Array;
}

/** A value with a border around it: a Pad's, and what was written over it since. */
export interface Border {
  readonly input: string;
  readonly pads: Pads;
  readonly written: Written;
}

/** The one number a channel that the border has everywhere. */
export function uniformBorder(border: Border): Float64Array | Refusal {
  const { shape, mask, values } = border.written;
  const found = new Float64Array(shape[1]).fill(Number.NaN);
  let reason: string | undefined;
  forEachElement(border, (at, outside, channel) => {
    if (!outside) {
      if (mask[at]) reason ??= "it writes constants over positions that are not padding";
      return;
    }
    if (Number.isNaN(found[channel])) found[channel] = values[at];
    if (found[channel] !== values[at]) reason ??= "the border has more than one value a channel";
  });
  if (reason === undefined && found.some(Number.isNaN)) reason = "nothing is padded";
  return reason === undefined ? found : refuse("border", reason);
}

/** Every element of a padded value, whether it lies in the border, and its channel. */
export function forEachElement(
  { pads, written: { shape } }: Pick<Border, "pads" | "written">,
  visit: (at: number, outside: boolean, channel: number) => void,
): void {
  const [batch, channels, ...sizes] = shape;
  const count = sizes.reduce((total, size) => total * size, 1);
  const outside = new Uint8Array(count);
  for (let position = 0; position < count; position++) {
    let rest = position;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      const along = rest % sizes[axis];
      if (along < pads[axis] || along >= sizes[axis] - pads[axis + sizes.length]) outside[position] = 1;
      rest = Math.floor(rest / sizes[axis]);
    }
  }
  for (let plane = 0, at = 0; plane < batch * channels; plane++) {
    for (let position = 0; position < count; position++, at++) visit(at, outside[position] === 1, plane % channels);
  }
}
