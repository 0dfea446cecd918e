import { FormatError, UserError } from "../../core/errors.js";
import { imagenetMean, imagenetStd, type Preprocessing } from "../../core/preprocessing.js";
import type { Architecture } from "../../nn/architecture.js";
import { imagenet1kClasses } from "./imagenet-1k.js";

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

/** How pictures are prepared for the net, with a remark on each point where the config asks for what we do not do. */
export function preprocessingFor(
  config: TimmConfig | undefined,
  { inputChannels }: Architecture,
  defaultSize: number,
): { preprocessing: Preprocessing; remarks: string[] } {
  if (inputChannels !== 1 && inputChannels !== 3) {
    throw new UserError({ expected: "a net for grey or RGB pictures", received: `${inputChannels} input channels` });
  }
  const remarks: string[] = [];
  const remark = (text: string): undefined => void remarks.push(text);
  if (!config) remark("no config.json: preprocessing is assumed to be ImageNet's");
  const [channels, height, width] = config?.inputSize ?? [inputChannels, defaultSize, defaultSize];
  if (channels !== inputChannels) {
    throw new FormatError({
      expected: `config.json with the weights' ${inputChannels} input channels`,
      received: `${channels}`,
    });
  }
  const perChannel = (
    list: readonly number[] | undefined,
    low: number,
    name: string,
  ): readonly number[] | undefined => {
    if (list === undefined) return undefined;
    const each = list.length === 1 ? Array.from({ length: inputChannels }, () => list[0]!) : list;
    if (each.length === inputChannels && each.every((value) => value > low)) return each;
    return remark(`config.json's ${name} (${list.join(", ")}) does not fit the net: the usual one is used`);
  };
  const usable = (side: number): boolean => Number.isInteger(side) && side >= 1 && side <= 16_384;
  const sized = usable(height) && usable(width);
  if (!sized) remark(`config.json's input size ${height}×${width} cannot be used: ${defaultSize}×${defaultSize} is`);
  const { cropRatio = 0.875, cropMode = "center", interpolation = "bilinear" } = config ?? {};
  const cropped = cropRatio > 0 && cropRatio <= 1;
  if (!cropped) remark(`config.json's crop_pct ${cropRatio} cannot be used: 0.875 is`);
  if (cropMode !== "center") remark(`pictures are cropped at their centre here; config.json says "${cropMode}"`);
  if (interpolation !== "bilinear") {
    remark(
      `pictures are resized bilinearly here; config.json says "${interpolation}": the accuracy may differ a little`,
    );
  }
  const rgb = inputChannels === 3;
  return {
    preprocessing: {
      size: sized ? [height, width] : [defaultSize, defaultSize],
      channels: inputChannels,
      mean: perChannel(config?.mean, Number.NEGATIVE_INFINITY, "mean") ?? (rgb ? imagenetMean : [0]),
      std: perChannel(config?.std, 1e-12, "std") ?? (rgb ? imagenetStd : [1]),
      interpolation: "bilinear",
      cropRatio: cropped ? cropRatio : 0.875,
    },
    remarks,
  };
}

/** Names from the config; ImageNet-1k's where the config says that it is that; else numbers. */
export function classNamesFor(config: TimmConfig | undefined, classes: number): { names: string[]; remarks: string[] } {
  const numbered = Array.from({ length: classes }, (_, i) => String(i));
  if (config && config.labelNames.size > 0) {
    const names = numbered.map((fallback, i) => config.labelNames.get(i) ?? fallback);
    const named = names.filter((_, i) => config.labelNames.has(i)).length;
    const remarks = named < classes ? [`config.json names ${named} of ${classes} classes; the others are numbers`] : [];
    return { names, remarks };
  }
  if (config?.imagenet1k && classes === imagenet1kClasses.length) return { names: [...imagenet1kClasses], remarks: [] };
  return { names: numbered, remarks: ["no class names are known: classes are numbers"] };
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
