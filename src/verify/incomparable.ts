import { type Cause, describeCause, type Finding } from "../analysis/diagnosis/finding.js";
import { VerificationError } from "../core/errors.js";

export type { Cause, Finding };

/** Two nets whose outputs cannot be compared: they take other inputs, or give other outputs. */
export class IncomparableError extends VerificationError {
  /** Why, likeliest first; at least one. */
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const [first] = findings as readonly [Finding];
    super({
      expected: "two nets that take the same inputs and give the same outputs",
      received: describeCause(first),
      remedy: first.remedy[0].toLowerCase() + first.remedy.slice(1),
    });
    this.findings = findings;
  }
}
