/** The parts of every message that a user sees: what was expected, what was received, and what to do about it. */
export interface ErrorParts {
  /** What would have been right. */
  readonly expected: string;
  /** What was there instead. */
  readonly received: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/**
 * A mistake that the user can mend: wrong input, wrong option, unusable file. Its message is one line.
 * The command line prints it without a stack and exits with code 1; everything else is a bug (code 70).
 */
export class UserError extends Error {
  /** "UserError". */
  override readonly name: string = "UserError";
  /** What would have been right. */
  readonly expected: string;
  /** What was there instead. */
  readonly received: string;
  /** What to do about it, where that is known. */
  readonly remedy: string | undefined;

  constructor(parts: ErrorParts, options?: ErrorOptions) {
    super(
      oneLine(`expected ${parts.expected}, received ${parts.received}${parts.remedy ? `: ${parts.remedy}` : ""}`),
      options,
    );
    this.expected = parts.expected;
    this.received = parts.received;
    this.remedy = parts.remedy;
  }
}

/** A file whose bytes cannot be what they claim to be. `file` names it where it is known. */
export class FormatError extends UserError {
  /** "FormatError". */
  override readonly name: string = "FormatError";
}

/** A value in a graph or a model that has the wrong shape, type or form. */
export class ShapeError extends UserError {
  /** "ShapeError". */
  override readonly name: string = "ShapeError";
}

/** Two forms of a net, or two nets, that do not agree (exit code 2 on the command line). */
export class VerificationError extends UserError {
  /** "VerificationError". */
  override readonly name: string = "VerificationError";
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}

/**
 * The candidate closest to `word` by edit distance, for "did you mean" remedies; undefined where none is near
 * (more than a third of the word's letters differ).
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

/** Letters to insert, drop, replace or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swap =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? rows[i - 2]![j - 2]! + 1
          : Number.POSITIVE_INFINITY;
      row[j] = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, substitution, swap);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
