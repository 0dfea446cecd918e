import { UserError } from "../core/errors.js";
import { type FileLoadOptions, loadNet } from "../exchange/load-net.node.js";
import { claimedVariant, classNamesFor, preprocessingFor, type TimmConfig } from "../exchange/timm-config.js";
import { type Architecture, batchNormEpsilon } from "../nn/architecture.js";
import type { Model } from "../nn/model.js";
import { variants } from "../nn/zoo.js";

/**
 * A weights file, with what its repository's config says about it, as a model in the form that it has. A model file of ours
 * keeps its own metadata.
 * @param origin names the repository in messages
 * @param epsilon of every BatchNorm, where somebody says it
 * @returns the model, and remarks on what was assumed and where the config asks for what we do otherwise
 * @throws UserError when the weights are no RepVGG, are not whole, or contradict the config.
 */
export async function modelFromFile(
  path: string,
  config: TimmConfig | undefined,
  origin: string,
  epsilon?: number,
): Promise<{ model: Model; remarks: readonly string[] }> {
  const { model, source } = await loadNet(path, {
    ...(config && hintsOf(config, origin)),
    ...(epsilon !== undefined && { batchNormEpsilon: epsilon, epsilonBy: "as asked for" }),
  });
  if (model) return { model, remarks: source.notes };
  throw notRepvgg(origin, source.format === "onnx" ? "an ONNX graph" : "a MobileOne");
}

/** Refuses what cannot be a RepVGG before its weights are downloaded. @throws UserError */
export function checkConfigIsRepvgg(config: TimmConfig, origin: string): void {
  if (config.architecture === undefined || /^repvgg/i.test(config.architecture)) return;
  throw notRepvgg(origin, `architecture ${JSON.stringify(config.architecture)}`);
}

function hintsOf(config: TimmConfig, origin: string): FileLoadOptions {
  const claimed = claimedVariant(config);
  return {
    ...(claimed && {
      strides: variants[claimed].strides,
      ...{ batchNormEpsilon, epsilonBy: "as timm builds these nets" },
    }),
    describe(net, assumed) {
      checkAgainstConfig(net, config, origin);
      const { preprocessing, remarks, assumed: unsaid } = preprocessingFor(config, assumed);
      const classes = classNamesFor(config, net.classes);
      return {
        preprocessing,
        classNames: classes.names,
        assumed: classes.known ? unsaid : [...unsaid, "classNames"],
        notes: [...remarks, ...classes.remarks],
      };
    },
  };
}

function checkAgainstConfig(net: Architecture, config: TimmConfig, origin: string): void {
  const remedy = "config and weights belong to different nets";
  if (config.classes !== undefined && config.classes !== net.classes) {
    throw new UserError({
      expected: `weights for the ${config.classes} classes of ${origin}'s config.json`,
      received: `${net.classes} classes`,
      remedy,
    });
  }
  const claimed = claimedVariant(config);
  if (claimed !== undefined && claimed !== net.name) {
    throw new UserError({
      expected: `the weights of ${claimed}, as ${origin}'s config.json says`,
      received: `${net.name === "custom" ? "another net" : net.name}: depths ${net.depths.join(", ")}, widths ${net.widths.join(", ")}`,
      remedy,
    });
  }
}

function notRepvgg(origin: string, received: string): UserError {
  return new UserError({
    expected: `a RepVGG in ${origin}`,
    received,
    remedy: "for another net, export it to ONNX and fold that",
  });
}
