import { graphOfForm, type QuantizedForm, withFloatLayers } from "./form.js";
import type { Measured, Reference } from "./measure.js";
import { decibels } from "./scales.js";
import type { FloatLayer } from "./steps.js";

/** What a quantized net may lose on the calibration pictures before layers go back to float. */
export const allowed = { top1: 0.01, agreement: 0.97, decibels: 15 } as const;

/** Whether a net has lost too much; by labels where there are some, else by its likeliest classes, else by its outputs. */
function losesTooMuch({ top1, agreement, decibels: own }: Measured, floatTop1: number | undefined): boolean {
  if (top1 !== undefined && floatTop1 !== undefined) return floatTop1 - top1 > allowed.top1;
  if (agreement !== undefined) return agreement < allowed.agreement;
  return own < allowed.decibels;
}

/** At most so many layers are freed: beyond that the net had better stay as it is. */
const most = 4;

/**
 * Leaves the layers in float that cost most, one after the other, until the net has lost little enough.
 * @returns undefined where it has not lost too much, or freeing layers does not help
 */
export async function freeLayers(
  form: QuantizedForm,
  reference: Reference,
  tell: (step: string, done: number, total: number) => Promise<void>,
): Promise<
  { readonly form: QuantizedForm; readonly layers: readonly FloatLayer[]; readonly measured: Measured } | undefined
> {
  let current = form;
  let measured = reference.measure(graphOfForm(form));
  const freed: FloatLayer[] = [];
  while (losesTooMuch(measured, reference.top1) && freed.length < most && current.numbers.size > 1) {
    let best: { readonly name: string; readonly measured: Measured; readonly form: QuantizedForm } | undefined;
    const names = [...current.numbers.keys()];
    for (const [i, name] of names.entries()) {
      await tell("which layers stay in float", i, names.length);
      const tried = withFloatLayers(current, new Set([name]));
      const found = reference.measure(graphOfForm(tried));
      if (!best || found.noise < best.measured.noise) best = { name, measured: found, form: tried };
    }
    if (!best || best.measured.noise >= measured.noise) break;
    const gain = decibels(measured.noise, best.measured.noise);
    const reason = `as whole numbers it costs ${gain.toFixed(1)} dB of the outputs' signal to noise${lost(measured, best.measured)}`;
    freed.push({ name: best.name, reason });
    [current, measured] = [best.form, best.measured];
  }
  return freed.length > 0 ? { form: current, layers: freed, measured } : undefined;
}

function lost(before: Measured, after: Measured): string {
  if (before.top1 === undefined || after.top1 === undefined) return "";
  return ` and ${(100 * (after.top1 - before.top1)).toFixed(1)} points of accuracy`;
}
