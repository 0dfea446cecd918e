import { UserError } from "../core/errors.js";

/** A training that has left the numbers: its loss or a weight is not finite. What was saved before stays as it is. */
export class DivergenceError extends UserError {
  constructor(received: string) {
    super({
      expected: "a finite loss and finite weights",
      received,
      remedy: "lower the learning rate or lengthen the warm-up; what was saved before stays as it is",
    });
  }
}
