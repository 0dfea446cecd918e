import { plural } from "../core/format.js";
import { bodyOf } from "./card-body.js";
import { type CardFacts, type CardResults, splitNames } from "./card-facts.js";
import { yamlText } from "./front-matter.js";

/**
 * A model card in Hugging Face's form: YAML front matter (the hub's documentation, "Model Cards"; `model-index` as
 * huggingface_hub's `EvalResult` writes it), and a text for people.
 */
export function modelCard(facts: CardFacts): string {
  return `---\n${frontMatter(facts).join("\n")}\n---\n\n${bodyOf(facts)}`;
}

function frontMatter({ name, model, license, training, results }: CardFacts): string[] {
  const { repository } = model.metadata.provenance;
  return [
    license === undefined ? "# license: name one before you share this net" : `license: ${yamlText(license)}`,
    "library_name: repvgg",
    "pipeline_tag: image-classification",
    "tags:",
    ...["image-classification", "repvgg", "re-parameterization"].map((tag) => `- ${tag}`),
    ...(repository === undefined ? [] : [`base_model: ${yamlText(repository)}`]),
    ...(training?.datasetId === undefined ? [] : ["datasets:", `- ${yamlText(training.datasetId)}`]),
    "metrics:",
    "- accuracy",
    // What chose the net would be taken, in an index of results, for what it was tested on.
    ...(results && results.pictures !== "validation" ? modelIndex(name, results) : []),
  ];
}

function modelIndex(name: string, results: CardResults): string[] {
  const { pictures, dataset, datasetId, images, top1, top5, balancedAccuracy, perClass } = results;
  const measured = `${splitNames[pictures]}, ${plural(images, "picture")}`;
  const metric = (label: string, value: number, type = "accuracy"): string[] => [
    `    - type: ${type}`,
    `      name: ${yamlText(`${label} (${measured})`)}`,
    `      value: ${Number(value.toFixed(6))}`,
    "      verified: false",
  ];
  return [
    "model-index:",
    `- name: ${yamlText(name)}`,
    "  results:",
    "  - task:",
    "      type: image-classification",
    "      name: Image classification",
    "    dataset:",
    `      name: ${yamlText(dataset)}`,
    `      type: ${yamlText(datasetId ?? "imagefolder")}`,
    `      split: ${yamlText(pictures)}`,
    "    metrics:",
    ...metric("Top-1 accuracy", top1),
    ...(balancedAccuracy === undefined ? [] : metric("Balanced accuracy", balancedAccuracy, "balanced_accuracy")),
    ...(perClass.length > 5 ? metric("Top-5 accuracy", top5) : []),
  ];
}
