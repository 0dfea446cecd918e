import { FormatError } from "../core/errors.js";
import type { NamedArrays } from "../core/named-arrays.js";
import type { PartialPreprocessing } from "../core/preprocessing.js";
import type { Net } from "./net.js";
import { statedFacts } from "./picture-input.js";
import { nothingStated, type StatedFacts } from "./stated-facts.js";
import { claimedVariant, parseTimmConfig, type TimmConfig, timmName } from "./timm-config.js";
import { checkedHiddenFacts, type HiddenFacts, hiddenFacts } from "./weights-metadata.js";

/** What is known of a net when what lies beside its weights is judged. */
export interface NetBeside {
  /** "A0", "custom"; undefined for what is no RepVGG. */
  readonly name: string | undefined;
  readonly classes: number | undefined;
}

/** What a file beside the weights says, once the net is known; and in sentences what of it cannot be used. */
export type Beside = (net: NetBeside) => {
  readonly facts: StatedFacts;
  readonly hidden: HiddenFacts;
  readonly notes: readonly string[];
};

/** Of a file that cannot be used. */
export function nothingBeside(note: string): ReturnType<Beside> {
  return { facts: nothingStated, hidden: {}, notes: [note] };
}

/** Where a file's class names and preprocessing are, when it cannot hold them itself: `net.json` beside `net.pth`. */
export function sidecarPath(path: string): string {
  return `${path.replace(/\.[a-z]+$/i, "")}.json`;
}

/**
 * Class names and preprocessing in the form of timm's `config.json` (timm/models/_hub.py, `save_config_for_hf`); what is not known is
 * left out.
 * @param arrays the weights as they are written: they name the first convolutions and the classifier
 * @returns JSON; undefined where there is nothing to say
 */
export function sidecarText(net: Net, arrays: NamedArrays): string | undefined {
  const { preprocessing, classNames } = statedFacts(net);
  const { size, mean, std, cropRatio } = preprocessing;
  const { model } = net;
  const hidden = hiddenFacts(net);
  if ([preprocessing, hidden].every((facts) => Object.keys(facts).length === 0) && !classNames) return undefined;
  const classes = model?.architecture.classes ?? classNames?.length;
  const channels = model?.architecture.inputChannels ?? mean?.length ?? 3;
  const name = model?.architecture.name;
  const license = model?.metadata.provenance["license"];
  const config = {
    ...(model && { architecture: name === undefined || name === "custom" ? "repvgg" : timmName(name) }),
    ...(classes !== undefined && { num_classes: classes }),
    ...(model && { num_features: model.architecture.widths.at(-1) }),
    ...(classNames && { label_names: classNames }),
    pretrained_cfg: {
      custom_load: false,
      ...(size && { input_size: [channels, ...size] }),
      ...(size && { interpolation: "bilinear", crop_mode: "center" }),
      ...(cropRatio !== undefined && { crop_pct: cropRatio }),
      ...(mean && { mean }),
      ...(std && { std }),
      ...(classes !== undefined && { num_classes: classes }),
      ...endsOf(arrays),
      ...(license !== undefined && { license }),
    },
    // Not timm's, which builds these nets with what is usual and reads over it.
    ...(Object.keys(hidden).length > 0 && { repvgg: hidden }),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Names of the first convolutions (side by side in training form) and of the classifier, by timm's keys. */
function endsOf(arrays: NamedArrays): Record<string, unknown> {
  const weights = [...arrays].filter(([name]) => name.endsWith(".weight"));
  const path = (name: string): string => name.slice(0, -".weight".length);
  const convolutions = weights.filter(([, { shape }]) => shape.length === 4).map(([name]) => name);
  const [first] = convolutions;
  const block = first?.split(".")[0];
  const stem = convolutions.filter((name) => name.split(".")[0] === block && !/\.(scale|se)\b/.test(name)).map(path);
  const matrix = weights.filter(([, { shape }]) => shape.length === 2).at(-1)?.[0];
  return {
    ...(stem.length > 0 && { first_conv: stem.length === 1 ? stem[0] : stem }),
    ...(matrix !== undefined && { classifier: path(matrix) }),
  };
}

/** Whether a text is one that {@link sidecarText} could have written: what may be replaced. */
export function isSidecar(text: string): boolean {
  try {
    const root: unknown = JSON.parse(text);
    return typeof root === "object" && root !== null && "pretrained_cfg" in root;
  } catch {
    return false;
  }
}

/**
 * What a JSON file beside weights says of them. Nothing of it is trusted: what is no config of this net is not used, which a note says.
 * @param file its name, for notes
 */
export function besideFrom(text: string, file: string): Beside {
  let config: TimmConfig;
  try {
    config = parseTimmConfig(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return () => nothingBeside(`${file} beside it is no JSON object: not used`);
  }
  return ({ name, classes }) => {
    const claimed = claimedVariant(config);
    const other = (what: string): ReturnType<Beside> =>
      nothingBeside(`${file} beside it is of another net (${what}): not used`);
    if (config.classes !== undefined && classes !== undefined && config.classes !== classes) {
      return other(`${config.classes} classes, the weights have ${classes}`);
    }
    if (claimed !== undefined && name !== undefined && claimed !== name) {
      return other(`${claimed}, the weights are ${name === "custom" ? "not" : name}`);
    }
    const facts = factsOf(config, classes);
    const used = facts.classNames || Object.keys(facts.preprocessing).length > 0;
    const hidden = checkedHiddenFacts((JSON.parse(text) as Record<string, unknown>)["repvgg"]);
    return { facts, hidden, notes: used ? [`class names and preprocessing as ${file} beside it says`] : [] };
  };
}

function factsOf(config: TimmConfig, classes: number | undefined): StatedFacts {
  const { labelNames, inputSize, mean, std, cropRatio } = config;
  const count = classes ?? config.classes ?? labelNames.size;
  const names = Array.from({ length: Math.min(count, labelNames.size) }, (_, i) => labelNames.get(i));
  const whole = names.length === count && count > 0 && names.every((name): name is string => name !== undefined);
  const preprocessing: PartialPreprocessing = {
    ...(inputSize && { size: [inputSize[1], inputSize[2]] as const }),
    ...(mean && { mean }),
    ...(std && { std }),
    ...(cropRatio !== undefined && { cropRatio }),
  };
  return { preprocessing, ...(whole && { classNames: names as string[] }) };
}
