import { FormatError } from "../core/errors.js";
import type { PartialPreprocessing } from "../core/preprocessing.js";
import { nothingStated, type StatedFacts } from "./stated-facts.js";
import { claimedVariant, parseTimmConfig, type TimmConfig } from "./timm-config.js";
import { checkedHiddenFacts, type HiddenFacts } from "./weights-metadata.js";

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
