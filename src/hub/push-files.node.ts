import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nameOnHub } from "../cards/card-facts.js";
import { statedLicense, withLicense } from "../cards/front-matter.js";
import { checkLicense } from "../cards/license.js";
import { modelCard } from "../cards/model-card.js";
import { isTimmNet } from "../cards/timm-net.js";
import { UserError } from "../core/errors.js";
import { foldNet } from "../exchange/fold-net.js";
import { netOf } from "../exchange/net.js";
import { saveNet } from "../exchange/save-net.node.js";
import { sidecarText } from "../exchange/sidecar-text.js";
import { explainFileError } from "../formats/file-errors.node.js";
import type { Model } from "../nn/model.js";

/** What is pushed: a net, and its card where it has one. */
export interface PushSource {
  readonly model: Model;
  readonly card: string | undefined;
}

export interface PreparedFile {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

export interface PrepareOptions {
  readonly repo: string;
  readonly license?: string | undefined;
  readonly onnx?: boolean | undefined;
  /** False: no README.md. */
  readonly card?: boolean | undefined;
}

/**
 * Writes the files of a repository into a folder: `model.safetensors` (in timm's names where timm has such a net, else a model file of ours),
 * `config.json` in timm's form, `README.md`, and `model.onnx`, folded, where it is asked for.
 * @returns the files in the order in which they are told, and the licence that the card states
 * @throws UserError where nobody names a licence
 */
export async function prepareFiles(
  folder: string,
  { model, card }: PushSource,
  options: PrepareOptions,
): Promise<{ readonly files: readonly PreparedFile[]; readonly license: string }> {
  const { repo, onnx = false } = options;
  const license = licenseOf(model, card, options.license);
  const net = netOf(model);
  const path = (name: string): string => join(folder, name);
  await saveNet(net, path("model.safetensors"), isTimmNet(model) ? { scheme: "timm" } : {});
  await writeFile(path("config.json"), configOf(model, license));
  const name = repo.slice(repo.indexOf("/") + 1);
  const text = card ?? modelCard({ name, model, license });
  await writeFile(path("README.md"), withLicense(text, license).replaceAll(nameOnHub, repo));
  if (onnx) await saveNet(model.form === "plain" ? net : foldNet(net).net, path("model.onnx"));
  const names = ["model.safetensors", "config.json", ...(options.card === false ? [] : ["README.md"])];
  if (onnx) names.push("model.onnx");
  const files = names.map(async (file) => ({ name: file, path: path(file), bytes: (await stat(path(file))).size }));
  return { files: await Promise.all(files), license };
}

/** The card in a run's folder; undefined where there is none. */
export async function readCard(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (found.size <= 5e6) return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw explainFileError("read", path, error);
  }
  throw new UserError({ expected: `a model card of at most 5 MB`, received: path, remedy: "shorten it" });
}

/** Asked for, else as the card states it, else that of the weights that the net began with. */
function licenseOf({ metadata }: Model, card: string | undefined, asked: string | undefined): string {
  const known = asked ?? (card === undefined ? undefined : statedLicense(card)) ?? metadata.provenance["license"];
  if (known !== undefined) return checkLicense(known);
  throw new UserError({
    expected: "a licence, which says what others may do with the net",
    received: "none",
    remedy: "name one: --license mit, --license cc-by-4.0, … (license), or in the front matter of README.md",
  });
}

/** The net as `config.json` describes it; it always states something, for classes have names and pictures a size. */
function configOf(model: Model, license: string): string {
  const provenance = { ...model.metadata.provenance, license };
  const described = { ...model, metadata: { ...model.metadata, provenance } };
  return sidecarText(netOf(described), model.state) ?? "{}\n";
}
