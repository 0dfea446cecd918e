import { UserError } from "../core/errors.js";
import type { Dataset } from "../data/dataset.js";
import { holdOut } from "../data/hold-out.js";
import { findSplit, type OpenOptions, openDataset } from "../data/open-dataset.node.js";
import { knownPictures } from "./trained-pictures.node.js";

/** Which pictures of a place are scored. */
export type EvaluationSplit = "test" | "held-out" | "train" | "all";
export const evaluationSplits: readonly EvaluationSplit[] = ["test", "held-out", "train", "all"];

/** The pictures to score, and what has to be known of them. */
export interface EvaluationSet {
  readonly dataset: Dataset;
  /** Sentences. */
  readonly notes: readonly string[];
}

/**
 * The pictures of a place on which a net is scored: its test split; where it has none, all, but never those unasked that the net was
 * trained on: then the part that was held out.
 * @param provenance of the net
 * @param options.split which pictures; left out: as said
 * @throws UserError where the place has no such split, or it cannot be told which of its pictures were trained on.
 */
export async function evaluationSet(
  provenance: Readonly<Record<string, string>>,
  place: string,
  options: OpenOptions & { readonly split?: EvaluationSplit } = {},
): Promise<EvaluationSet> {
  const { split, ...opening } = options;
  const test = split === "train" || split === "held-out" ? undefined : await findSplit(place, "test", opening);
  if (split === "test" || (test && split === undefined)) {
    return { dataset: test ?? (await openDataset(place, "test", opening)), notes: [] };
  }
  if (split === "all" && test) {
    throw new UserError({
      expected: `--split test or train of ${place}, which is divided into them`,
      received: "--split all",
      remedy: "score one after the other",
    });
  }
  const all = await openDataset(place, "train", opening);
  const known = knownPictures(provenance, all);
  switch (split) {
    case "all":
    case "train": {
      if (known.are === "held out in part" && split === "train") {
        return { dataset: holdOut(all, known.part, known.seed).train, notes: [trainedOn(all.name)] };
      }
      return { dataset: all, notes: known.are === "unknown" ? [] : [trainedOn(all.name)] };
    }
    case "held-out":
      if (known.are === "held out in part") return { dataset: holdOut(all, known.part, known.seed).test, notes: [] };
      throw new UserError({
        expected: `a net that tells which pictures of ${place} were held out when it was trained`,
        received: known.are === "unknown" ? "one that was not trained on them" : known.why,
        remedy: "score all of them by --split all",
      });
    default: {
      if (known.are === "unknown") return { dataset: all, notes: [] };
      if (known.are === "held out in part") {
        const { test: held } = holdOut(all, known.part, known.seed);
        const note = `the net was trained on pictures of ${all.name}: scored are the ${held.length} that were held out (--split all: every one)`;
        return { dataset: held, notes: [note] };
      }
      throw new UserError({
        expected: `pictures that the net was not trained on, or --split`,
        received: `${place}: ${known.why}`,
        remedy: "score other pictures, or these all the same by --split all",
      });
    }
  }
}

function trainedOn(name: string): string {
  return `the net was trained on pictures of ${name}: their accuracy says nothing of other pictures`;
}
