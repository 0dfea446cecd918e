import type { Operator } from "../graph/operator/operator.js";
import { centerCropPad } from "./center-crop-pad.js";
import { einsum } from "./einsum.js";
import { integerProductOperators } from "./integer-products.js";
import { recurrentOperators } from "./recurrent.js";
import { samplingOperators } from "./region-sampling.js";
import { unfoldOperators } from "./unfold.js";

/**
 * Operators that nets of images seldom have and the engine does not run. The bundle for pages leaves them out (scripts/bundle-browser.mjs): there
 * they are operators that are not understood.
 */
export const furtherOperators: readonly Operator[] = [
  centerCropPad,
  einsum,
  ...integerProductOperators,
  ...recurrentOperators,
  ...samplingOperators,
  ...unfoldOperators,
];
