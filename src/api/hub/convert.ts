import { UserError } from "../../core/errors.js";
import type { NamedArrays } from "../../core/named-arrays.js";
import { inferArchitecture } from "../../formats/names/infer-architecture.js";
import { toOfficial } from "../../formats/names/schemes.js";
import type { Architecture } from "../../nn/architecture.js";
import { architecture as namedArchitecture } from "../../nn/build-architecture.js";
import type { Model } from "../../nn/model.js";
import { conformState, stateSchema } from "../../nn/state-schema.js";
import { type VariantName, variantNames, variants } from "../../nn/zoo.js";
import { classNamesFor, preprocessingFor, type TimmConfig } from "./timm-config.js";

const defaultSize = 224;

/**
 * Other people's weights, with what their config says about them, as a model in the form that they have.
 * @param weights under the names of any scheme
 * @param origin names the file in messages
 * @returns the model, and remarks on what its config leaves open or asks for that we do otherwise
 * @throws UserError when the weights are no RepVGG, are not whole, or contradict the config.
 */
export function modelFromWeights(
  weights: NamedArrays,
  config: TimmConfig | undefined,
  provenance: Readonly<Record<string, string>>,
  origin: string,
): { model: Model; remarks: string[] } {
  const { arrays, unmatched } = toOfficial(weights);
  const { architecture: structure, form, missing, leftOver } = inferArchitecture(arrays);
  const strange = [...unmatched, ...leftOver];
  if (missing.length > 0 || strange.length > 0) {
    const listed = [
      ...missing.slice(0, 3).map(({ name }) => `${name} missing`),
      ...strange.slice(0, 3).map((name) => `${JSON.stringify(name)} unknown`),
    ];
    throw new UserError({
      expected: `the weights of a whole RepVGG in ${origin}`,
      received: `${missing.length} missing and ${strange.length} unknown (${listed.join(", ")})`,
      remedy: "for another net, export it to ONNX and fold that",
    });
  }
  const variant = variantOf(structure);
  const architecture: Architecture = { ...structure, name: variant ?? structure.name };
  checkAgainstConfig(architecture, config, origin);
  const state = conformState(arrays, stateSchema(architecture, form));
  const size = variant ? variants[variant].inputSize : defaultSize;
  const { preprocessing, remarks } = preprocessingFor(config, architecture, size);
  const classes = classNamesFor(config, architecture.classes);
  return {
    model: { architecture, form, state, metadata: { classNames: classes.names, preprocessing, provenance } },
    remarks: [...remarks, ...classes.remarks],
  };
}

/** Refuses what cannot be a RepVGG before its weights are downloaded. @throws UserError */
export function checkConfigIsRepvgg(config: TimmConfig, origin: string): void {
  if (config.architecture === undefined || /^repvgg/i.test(config.architecture)) return;
  throw new UserError({
    expected: `a RepVGG in ${origin}`,
    received: `architecture ${JSON.stringify(config.architecture)}`,
    remedy: "for another net, export it to ONNX and fold that",
  });
}

function checkAgainstConfig(architecture: Architecture, config: TimmConfig | undefined, origin: string): void {
  if (config?.classes !== undefined && config.classes !== architecture.classes) {
    throw new UserError({
      expected: `weights for the ${config.classes} classes of ${origin}'s config.json`,
      received: `${architecture.classes} classes`,
      remedy: "config and weights belong to different nets",
    });
  }
  const claimed = variantNames.find((name) => `repvgg_${name.toLowerCase()}` === config?.architecture?.toLowerCase());
  if (claimed !== undefined && claimed !== architecture.name) {
    throw new UserError({
      expected: `the weights of ${claimed}, as ${origin}'s config.json says`,
      received: `${architecture.name === "custom" ? "another net" : architecture.name}: depths ${architecture.depths.join(", ")}, widths ${architecture.widths.join(", ")}`,
      remedy: "config and weights belong to different nets",
    });
  }
}

/** The net of the zoo that has this structure, whatever its classes and input channels. */
function variantOf(structure: Omit<Architecture, "name">): VariantName | undefined {
  const { classes, inputChannels } = structure;
  const key = (a: Omit<Architecture, "name">): string =>
    JSON.stringify([a.family, a.depths, a.widths, a.strides, a.groups, a.block, a.squeezeExcite]);
  return variantNames.find((name) => key(namedArchitecture(name, { classes, inputChannels })) === key(structure));
}
