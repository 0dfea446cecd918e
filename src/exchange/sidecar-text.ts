import type { NamedArrays } from "../core/named-arrays.js";
import type { Net } from "./net.js";
import { statedFacts } from "./picture-input.js";
import { timmName } from "./timm-name.js";
import { hiddenFacts } from "./weights-metadata.js";

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
