import { FormatError } from "../core/errors.js";
import type { PictureField, Preprocessing } from "../core/preprocessing.js";
import type { AssumedFact } from "../nn/model.js";
import { type VariantName, variantNames } from "../nn/zoo.js";
import { imagenet1kClasses } from "./imagenet-1k.js";
import { timmName } from "./timm-name.js";

/** What a repository's `config.json` (timm's) says about a net, as far as we use it. Nothing in it is trusted. */
export interface TimmConfig {
  readonly architecture: string | undefined;
  readonly classes: number | undefined;
  readonly license: string | undefined;
  /** Names by class number, where there are any. */
  readonly labelNames: ReadonlyMap<number, string>;
  /** The weights were trained on ImageNet-1k. */
  readonly imagenet1k: boolean;
  readonly inputSize: readonly [channels: number, height: number, width: number] | undefined;
  readonly mean: readonly number[] | undefined;
  readonly std: readonly number[] | undefined;
  readonly cropRatio: number | undefined;
  readonly cropMode: string | undefined;
  readonly interpolation: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** @throws FormatError when it is no JSON object. */
export function parseTimmConfig(text: string): TimmConfig {
  const root = parseObject(text);
  const pretrained = isObject(root["pretrained_cfg"]) ? root["pretrained_cfg"] : root;
  const either = (key: string): unknown => root[key] ?? pretrained[key];
  const size = pretrained["input_size"];
  return {
    architecture: string(either("architecture")),
    classes: number(either("num_classes")),
    license: string(either("license")),
    labelNames: labelNames(either("label_names") ?? either("labels"), either("label_descriptions")),
    imagenet1k: /(^|_)in1k$/.test(string(pretrained["tag"]) ?? ""),
    inputSize: isNumbers(size) && size.length === 3 ? [size[0]!, size[1]!, size[2]!] : undefined,
    mean: isNumbers(pretrained["mean"]) ? pretrained["mean"] : undefined,
    std: isNumbers(pretrained["std"]) ? pretrained["std"] : undefined,
    cropRatio: number(pretrained["crop_pct"]),
    cropMode: string(pretrained["crop_mode"]),
    interpolation: string(pretrained["interpolation"]),
  };
}

/**
 * How pictures are prepared for the net, with a remark on each point where the config asks for what we do not do.
 * @param assumed what is taken where the config says nothing, or nothing that can be used
 * @throws FormatError for a config of a net with other input channels.
 */
export function preprocessingFor(
  config: TimmConfig,
  assumed: Preprocessing,
): { preprocessing: Preprocessing; assumed: AssumedFact[]; remarks: string[] } {
  const remarks: string[] = [];
  const unsaid: AssumedFact[] = [];
  const usable = <T>(
    [name, field]: readonly [name: string, field: PictureField],
    value: T | undefined,
    fits: (value: T) => boolean,
    fallback: T,
  ): T => {
    if (value !== undefined && fits(value)) return value;
    unsaid.push(field);
    if (value === undefined) return fallback;
    remarks.push(`config.json's ${name} ${JSON.stringify(value)} cannot be used: ${JSON.stringify(fallback)} is`);
    return fallback;
  };
  const { channels } = assumed;
  const [itsChannels, ...size] = config.inputSize ?? [channels];
  if (itsChannels !== channels) {
    throw new FormatError({
      expected: `config.json with the weights' ${channels} input channels`,
      received: `${itsChannels}`,
    });
  }
  const perChannel = (list: readonly number[] | undefined): readonly number[] | undefined =>
    list?.length === 1 ? Array.from({ length: channels }, () => list[0]!) : list;
  const isSide = (side: number): boolean => Number.isInteger(side) && side >= 1 && side <= 16_384;
  const preprocessing: Preprocessing = {
    ...assumed,
    size: usable(["input_size", "size"], pair(size), (sides) => sides.every(isSide), assumed.size),
    mean: usable(["mean", "mean"], perChannel(config.mean), (mean) => mean.length === channels, assumed.mean),
    std: usable(
      ["std", "std"],
      perChannel(config.std),
      (std) => std.length === channels && std.every((x) => x > 1e-12),
      assumed.std,
    ),
    cropRatio: usable(
      ["crop_pct", "cropRatio"],
      config.cropRatio,
      (ratio) => ratio > 0 && ratio <= 1,
      assumed.cropRatio,
    ),
  };
  const { cropMode = "center", interpolation = "bilinear" } = config;
  if (cropMode !== "center") remarks.push(`pictures are cropped at their centre here; config.json says "${cropMode}"`);
  if (interpolation !== "bilinear") {
    remarks.push(
      `pictures are resized bilinearly here; config.json says "${interpolation}": the accuracy may differ a little`,
    );
  }
  return { preprocessing, assumed: unsaid, remarks };
}

function pair(size: readonly number[]): readonly [number, number] | undefined {
  return size.length === 2 ? [size[0]!, size[1]!] : undefined;
}

/** Names from the config; ImageNet-1k's where the config says that it is that; else numbers. */
export function classNamesFor(
  config: TimmConfig,
  classes: number,
): { names: string[]; known: boolean; remarks: string[] } {
  const numbered = Array.from({ length: classes }, (_, i) => String(i));
  if (config.labelNames.size > 0) {
    const names = numbered.map((fallback, i) => config.labelNames.get(i) ?? fallback);
    const named = names.filter((_, i) => config.labelNames.has(i)).length;
    const remarks = named < classes ? [`config.json names ${named} of ${classes} classes; the others are numbers`] : [];
    return { names, known: named === classes, remarks };
  }
  if (config.imagenet1k && classes === imagenet1kClasses.length)
    return { names: [...imagenet1kClasses], known: true, remarks: [] };
  return { names: numbered, known: false, remarks: ["no class names are known: classes are numbers"] };
}

/** The net of the zoo that the config names as timm does: "repvgg_b1g4". */
export function claimedVariant({ architecture }: Pick<TimmConfig, "architecture">): VariantName | undefined {
  return variantNames.find((name) => timmName(name) === architecture?.toLowerCase());
}

/** A list or an object by number; where these are ids (WordNet's), `descriptions` says what they mean. */
function labelNames(names: unknown, descriptions: unknown): Map<number, string> {
  const result = new Map<number, string>();
  const entries = Array.isArray(names) ? [...names.entries()] : isObject(names) ? Object.entries(names) : [];
  for (const [key, name] of entries) {
    if (typeof name !== "string" || !/^\d+$/.test(String(key))) continue;
    const described = isObject(descriptions) && Object.hasOwn(descriptions, name) ? descriptions[name] : undefined;
    result.set(Number(key), typeof described === "string" && described !== "" ? described : name);
  }
  return result;
}

function parseObject(text: string): Json {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {}
  if (isObject(root)) return root;
  throw new FormatError({ expected: "a JSON object in config.json", received: "something else" });
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => Number.isFinite(item));
}

function string(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
