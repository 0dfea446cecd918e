import { type AblationVariant, ablationVariants, baseVariant } from "../analysis/ablation/variants.js";
import type { SplitOrigin } from "../api/datasets.node.js";
import { nearest, UserError } from "../core/errors.js";
import type { ArchitectureSpec } from "../nn/build-architecture.js";
import type { TrainConfig } from "../train/config.js";

/** The base net: one of the zoo with changes. Plain JSON. */
export interface AblationNet extends Pick<ArchitectureSpec, "depths" | "widths" | "strides" | "groups"> {
  readonly model: string;
  /** Height and width of the input. Default: that of small pictures, else the net's. */
  readonly inputSize?: number;
}

/** How many seeds each variant is trained with, by name; the base always is. */
export type AblationSeeds = Readonly<Record<string, number>>;

/** All that the results of an ablation depend on. Plain JSON. */
export interface AblationSetup {
  readonly data: SplitOrigin;
  readonly net: AblationNet;
  /** The same for all runs but for the seed, which is 0 here. */
  readonly config: TrainConfig;
  readonly seeds: AblationSeeds;
  /** The command that began it, for reports. */
  readonly command?: string;
}

/** One net to be trained. */
export interface PlannedRun {
  readonly variant: AblationVariant;
  readonly seed: number;
}

/** The variants of a setup, in the order of the paper's tables. */
export function variantsOf(seeds: AblationSeeds): AblationVariant[] {
  return ablationVariants.filter(({ name }) => (seeds[name] ?? 0) > 0);
}

/** Every run: the first seed of all variants, then the second, …, so that each moment has comparable ones. */
export function planRuns(seeds: AblationSeeds): PlannedRun[] {
  const most = Math.max(0, ...Object.values(seeds));
  return Array.from({ length: most }, (_, seed) => seed).flatMap((seed) =>
    variantsOf(seeds).flatMap((variant) => (seed < seeds[variant.name]! ? [{ variant, seed }] : [])),
  );
}

/** What may stand for variants: the paper's tables, or names. */
const tables: Readonly<Record<string, readonly AblationVariant[]>> = {
  table6: ablationVariants.filter(({ table }) => table === 6),
  table7: [baseVariant, ...ablationVariants.filter(({ table }) => table === 7)],
};

/**
 * Seeds of each variant.
 * @param chosen "table6", "table7" or names of variants, each with a number of its own or `count`; the base is always there, with
 * as many seeds as any other. Default: both tables.
 * @throws UserError for an unknown name.
 */
export function chooseSeeds(
  chosen: readonly { readonly name: string; readonly seeds?: number }[] = Object.keys(tables).map((name) => ({ name })),
  count = 5,
): AblationSeeds {
  const seeds: Record<string, number> = { [baseVariant.name]: 0 };
  for (const { name, seeds: own = count } of chosen) {
    for (const variant of variantsNamed(name)) seeds[variant.name] = Math.max(seeds[variant.name] ?? 0, own);
  }
  return { ...seeds, [baseVariant.name]: Math.max(...Object.values(seeds)) };
}

function variantsNamed(name: string): readonly AblationVariant[] {
  const table = Object.hasOwn(tables, name) ? tables[name] : undefined;
  const found = table ?? ablationVariants.filter((variant) => variant.name === name);
  if (found.length > 0) return found;
  const known = [...Object.keys(tables), ...ablationVariants.map((variant) => variant.name)];
  const near = nearest(name, known);
  throw new UserError({
    expected: `variants of ${known.join(", ")}`,
    received: `"${name}"`,
    remedy: near ? `did you mean "${near}"?` : "name some of these, or a table",
  });
}

/** The larger number of seeds for each variant of either: an ablation that is gone on with may grow. */
export function mergeSeeds(a: AblationSeeds, b: AblationSeeds): AblationSeeds {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Object.fromEntries(names.map((name) => [name, Math.max(a[name] ?? 0, b[name] ?? 0)]));
}
