import { UserError } from "../../core/errors.js";
import { type TrainConfig, trainConfig } from "../../train/config.js";
import { studyVariant, studyVariants } from "./variants.js";

/** A depth: RepVGG-B0's layers (stage 0, then 4, 6, 16, 1), or fewer or more of them in the same proportion. */
export interface StudyNet {
  /** 3×3 layers, stage 0 included. */
  readonly layers: number;
  readonly depths: readonly number[];
}

/** Where the pictures are, and how they are split where the place has no test pictures of its own: as a training run keeps it. */
export interface StudyData {
  readonly place: string;
  readonly holdOut: number;
  readonly seed: number;
}

/** Settings that a choice tries. */
export interface StudyChoices {
  readonly learningRates: readonly number[];
  readonly warmupEpochs: readonly number[];
  readonly epochs: number;
}

/** All that the results of a study depend on. Plain JSON. */
export interface StudyPlan {
  readonly data: StudyData;
  /** In the order in which they are trained. */
  readonly nets: readonly StudyNet[];
  /** Output channels of stage 0, 1, …, the same at every depth. */
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  /** Training pictures that the nets learn from; of each class the same part. */
  readonly pictures: number;
  /** Other training pictures, which learning rates and warm-ups are judged by. */
  readonly choicePictures: number;
  /** Of all runs, but for the seed (0 here) and the variants' recipes. */
  readonly config: TrainConfig;
  /** Learning rates where they are not that of `config`: by layers, or by layers and variant ("52", "52/no-branches"). */
  readonly learningRates: Readonly<Record<string, number>>;
  /** Seeds of each variant, by name. */
  readonly seeds: Readonly<Record<string, number>>;
  readonly choices: StudyChoices;
  /** The command that began it, for reports. */
  readonly command?: string;
}

/** One net to be trained, and judged once: a result by the test pictures, a choice by other training pictures. */
export interface StudyPart {
  readonly kind: "result" | "choice";
  readonly layers: number;
  readonly variant: string;
  readonly seed: number;
  readonly epochs: number;
  readonly learningRate: number;
  readonly warmupEpochs: number;
}

/** Of its folder, of `--parts`, and of a line of results: "28/base/seed-0", "choice/28/base/rate-0.1-warmup-1/seed-0". */
export function partName({ kind, layers, variant, seed, learningRate, warmupEpochs }: StudyPart): string {
  const net = `${layers}/${variant}`;
  return kind === "result"
    ? `${net}/seed-${seed}`
    : `choice/${net}/rate-${learningRate}-warmup-${warmupEpochs}/seed-${seed}`;
}

const b0 = [4, 6, 16, 1];

/**
 * RepVGG-B0's stages, scaled to a number of layers; the last stage keeps its one layer.
 * @throws UserError for fewer layers than stages
 */
export function studyNet(layers: number): StudyNet {
  const [last, first] = [1, 1];
  const shared = layers - last - first;
  if (!Number.isInteger(layers) || shared < 3 || layers > 200) {
    throw new UserError({ expected: "depths from 5 to 200 layers", received: String(layers) });
  }
  const inner = b0.slice(0, -1);
  const sum = inner.reduce((a, b) => a + b, 0);
  const depths = inner.map((depth) => Math.max(1, Math.round((depth * shared) / sum)));
  depths[2] = shared - depths[0]! - depths[1]!;
  return { layers, depths: [...depths, last] };
}

/** Results: the first seed of all variants and depths, then the second, …, so that each moment has comparable ones. */
export function resultParts(plan: StudyPlan): StudyPart[] {
  const most = Math.max(0, ...Object.values(plan.seeds));
  return Array.from({ length: most }, (_, seed) => seed).flatMap((seed) =>
    plan.nets.flatMap(({ layers }) =>
      variantNames(plan)
        .filter((variant) => seed < plan.seeds[variant]!)
        .map((variant) => part(plan, { kind: "result", layers, variant, seed })),
    ),
  );
}

/** Choices: every learning rate and warm-up, for each variant at each depth; one seed. */
export function choiceParts(plan: StudyPlan): StudyPart[] {
  const { learningRates, warmupEpochs, epochs } = plan.choices;
  return plan.nets.flatMap(({ layers }) =>
    variantNames(plan).flatMap((variant) =>
      learningRates.flatMap((learningRate) =>
        warmupEpochs.map((warmup) => ({
          ...part(plan, { kind: "choice", layers, variant, seed: 0 }),
          ...{ epochs, learningRate, warmupEpochs: warmup },
        })),
      ),
    ),
  );
}

function variantNames({ seeds }: StudyPlan): string[] {
  return studyVariants.map(({ name }) => name).filter((name) => (seeds[name] ?? 0) > 0);
}

function part(plan: StudyPlan, key: Pick<StudyPart, "kind" | "layers" | "variant" | "seed">): StudyPart {
  const { config, learningRates } = plan;
  const { epochs, warmupEpochs } = config;
  const learningRate =
    learningRates[`${key.layers}/${key.variant}`] ?? learningRates[String(key.layers)] ?? config.learningRate;
  return { ...key, epochs, warmupEpochs, learningRate };
}

/** How a part is trained: the plan's settings, the variant's recipe, the part's own. */
export function partConfig(
  plan: StudyPlan,
  { variant, seed, epochs, learningRate, warmupEpochs }: StudyPart,
): TrainConfig {
  return trainConfig({ ...plan.config, ...studyVariant(variant).recipe, seed, epochs, learningRate, warmupEpochs });
}

/**
 * The parts whose names are, or begin with, one of `wanted` ("28", "28/base", "52/no-branches/seed-2", "choice"); all without it.
 * @throws UserError where one names none
 */
export function chooseParts(parts: readonly StudyPart[], wanted: readonly string[] | undefined): StudyPart[] {
  if (!wanted) return [...parts];
  const fits = (part: StudyPart, name: string): boolean => `${partName(part)}/`.startsWith(`${name}/`);
  for (const name of wanted) {
    if (parts.some((part) => fits(part, name))) continue;
    throw new UserError({
      expected: "parts of the study by the beginnings of their names, as 28/base",
      received: `"${name}", which names none`,
      remedy: "--list prints all names",
    });
  }
  return parts.filter((part) => wanted.some((name) => fits(part, name)));
}
