import { UserError } from "../core/errors.js";
import type { Net } from "../exchange/net.js";
import type { LoadOptions } from "../exchange/read-net.js";
import { claimedVariant, classNamesFor, preprocessingFor, type TimmConfig } from "../exchange/timm-config.js";
import { type Architecture, batchNormEpsilon } from "../nn/architecture.js";
import type { Model } from "../nn/model.js";
import { variants } from "../nn/zoo.js";

/** Files of a repository: what it says of its net, and where the weights are by default, in this order. */
export const configFile = "config.json";
export const usualWeights: readonly string[] = ["model.safetensors", "pytorch_model.bin"];

/** Of a config.json; one with 20,000 class names has less than 1 MB. */
export const maxConfigBytes = 16e6;

/** A file of a repository, as a model tells later where it comes from. */
export interface PublishedFile {
  readonly endpoint: string;
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly file: string;
  readonly sha256: string | undefined;
  /** As the repository's card names it. */
  readonly license: string | undefined;
}

export function publishedProvenance(published: PublishedFile): Record<string, string> {
  const { endpoint, repo, revision, commit, file, sha256, license } = published;
  return {
    ...{ repository: repo, revision, commit, file },
    url: `${endpoint}/${repo}/resolve/${commit}/${file}`,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(license === undefined ? {} : { license }),
  };
}

/** The model of a published net, with where it comes from. */
export function withProvenance(
  model: Model,
  config: TimmConfig | undefined,
  provenance: Readonly<Record<string, string>>,
): Model {
  const license = config?.license === undefined ? {} : { license: config.license };
  const known = { ...model.metadata.provenance, ...license, ...provenance };
  return { ...model, metadata: { ...model.metadata, provenance: known } };
}

/** The model in a file of weights. @throws UserError for another net */
export function publishedModel({ model, source }: Net, origin: string): Model {
  if (model) return model;
  throw notRepvgg(origin, source.format === "onnx" ? "an ONNX graph" : "a MobileOne");
}

/** Refuses what cannot be a RepVGG before its weights are downloaded. @throws UserError */
export function checkConfigIsRepvgg(config: TimmConfig, origin: string): void {
  if (config.architecture === undefined || /^repvgg/i.test(config.architecture)) return;
  throw notRepvgg(origin, `architecture ${JSON.stringify(config.architecture)}`);
}

/**
 * What a repository's config says of weights that do not say it themselves, and what is checked by it.
 * @param origin names the repository in messages
 */
export function hintsOf(config: TimmConfig, origin: string): LoadOptions {
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
