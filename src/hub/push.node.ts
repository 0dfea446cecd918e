import { statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { UserError } from "../core/errors.js";
import { byteSize } from "../core/format.js";
import { loadNet } from "../exchange/load-net.node.js";
import { modelOf } from "../exchange/read-net.js";
import type { Model } from "../nn/model.js";
import { checkRevision, publicHub } from "./address.js";
import { digestOf } from "./blob.node.js";
import { type Commit, HubClient, NoRepositoryError } from "./hub-client.node.js";
import { HubWriter } from "./hub-writer.node.js";
import { type PreparedFile, type PushSource, prepareFiles, readCard } from "./push-files.node.js";

/** How a net is put on a hub. */
export interface PushOptions {
  /** As the hub names it: "mit". Default: what the card states, else that of the weights that the net began with. */
  readonly license?: string;
  /** Branch. Default "main". */
  readonly branch?: string;
  /** Where the repository is made by this push: only its owner sees it. */
  readonly private?: boolean;
  /** Also `model.onnx`, folded. */
  readonly onnx?: boolean;
  /** False: README.md is neither written nor looked at. */
  readonly card?: boolean;
  /** Write over files that are there with another content. */
  readonly force?: boolean;
  /** Ask nobody and write nothing: only say what would be pushed. */
  readonly dryRun?: boolean;
  /** Of the hub. Default: HF_ENDPOINT, else https://huggingface.co. */
  readonly endpoint?: string;
  /** One that may write. Default: HF_TOKEN. Never sent to another host than the hub's. */
  readonly token?: string;
  /** Told of the share of each file that is there, in [0, 1]. */
  readonly onFile?: (file: string, share: number) => void;
  /** Stops the upload; before the commit nothing is changed. */
  readonly signal?: AbortSignal;
}

/** One file of a push. */
export interface PushedFile {
  /** In the repository: "config.json". */
  readonly name: string;
  /** Its size. */
  readonly bytes: number;
  /** What the repository had of that name: nothing, the same, or something else. Undefined: nobody was asked. */
  readonly there: "nothing" | "same" | "other" | undefined;
}

/** What was put on a hub. */
export interface Pushed {
  /** "owner/name". */
  readonly repository: string;
  /** The repository's page. */
  readonly url: string;
  /** Where the commit is: "main". */
  readonly branch: string;
  /** As the hub names it: "mit". */
  readonly license: string;
  /** All files of the net, those that were there already too. */
  readonly files: readonly PushedFile[];
  /** Undefined where nothing was written: a dry run, or all was there already. */
  readonly commit: string | undefined;
  /** The repository was made. */
  readonly created: boolean;
}

/**
 * Puts a net on the Hugging Face hub so that {@link pull}, `createClassifier(name)` and timm read it: `model.safetensors`, `config.json` in
 * timm's form, `README.md` (the run's model card, or one that is made). All as one commit. What is there is never replaced unasked.
 * @param source a run's folder, a file of a RepVGG, or a model
 * @param repository "owner/name"; it is made where there is none
 * @throws UserError for a malformed name, without a token or a licence, for files that are there with another content, and where the hub refuses.
 */
export async function push(source: string | Model, repository: string, options: PushOptions = {}): Promise<Pushed> {
  checkRepository(repository);
  const { branch = "main", dryRun = false } = options;
  checkRevision(branch);
  const env = (name: string): string | undefined => process.env[name]?.trim() || undefined;
  const token = options.token ?? env("HF_TOKEN");
  const client = new HubClient(options.endpoint ?? env("HF_ENDPOINT") ?? publicHub, token, options.signal);
  if (token === undefined && !dryRun) throw noToken(client.endpoint);
  const found = typeof source === "string" ? await read(source) : { model: source, card: undefined };
  const folder = await mkdtemp(join(tmpdir(), "repvgg-push-"));
  try {
    const { files, license } = await prepareFiles(folder, found, { repo: repository, ...options });
    const result = { repository, url: `${client.endpoint}/${repository}`, branch, license };
    if (dryRun) {
      const told = files.map(({ name, bytes }) => ({ name, bytes, there: undefined }));
      return { ...result, files: told, commit: undefined, created: false };
    }
    const there = await existing(client, repository, branch);
    const told = there ? await compared(client, repository, there, files) : files.map(isNew);
    if (!options.force) checkNothingReplaced(repository, there, told);
    const writer = new HubWriter(client.endpoint, token!, options.signal);
    const wanted = files.filter((_, i) => told[i]!.there !== "same");
    if (!there) await writer.createRepository(repository, options.private ?? false);
    if (wanted.length === 0) return { ...result, files: told, commit: undefined, created: false };
    const commit = await writer.commit({
      ...{ repo: repository, branch, parent: there?.id, title: "Upload a net with repvgg push" },
      files: wanted.map(({ name, path }) => ({ name, content: pathToFileURL(path) })),
      onFile: options.onFile,
    });
    return { ...result, files: told, commit, created: !there };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** As huggingface_hub checks names (`validate_repo_id`), with the owner. */
function checkRepository(name: string): void {
  const part = /^[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?$/;
  const [owner = "", repo = "", ...rest] = name.split("/");
  const short = repo.length <= 96 && !/--|\.\./.test(name) && !name.endsWith(".git");
  if (part.test(owner) && part.test(repo) && rest.length === 0 && short) return;
  throw new UserError({
    expected: "a repository as OWNER/NAME (letters, digits, -, _ and ., at most 96)",
    received: JSON.stringify(name),
    remedy: "the owner is your account or organization on the hub",
  });
}

function noToken(endpoint: string): UserError {
  return new UserError({
    expected: "a token that may write to the hub in HF_TOKEN",
    received: "none",
    remedy: `make one at ${endpoint}/settings/tokens; --dry-run shows what would be pushed without one`,
  });
}

/** A run's folder: its net at the end, and its card; a file: that net, with the run's card where it is the net that the card is about. */
async function read(source: string): Promise<PushSource> {
  const isFolder = statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const file = isFolder ? join(source, "model.safetensors") : source;
  if (isFolder && !statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new UserError({
      expected: `the folder of a run that came to its end (${file})`,
      received: "no such file",
      remedy: `name a file, or go on with the run: repvgg train --resume ${source}`,
    });
  }
  const model = modelOf(await loadNet(file), file);
  const carded = basename(file) === "model.safetensors";
  return { model, card: carded ? await readCard(join(dirname(file), "README.md")) : undefined };
}

/** The commit of the branch; undefined where there is no such repository. */
async function existing(client: HubClient, repo: string, branch: string): Promise<Commit | undefined> {
  try {
    return await client.commit(repo, branch);
  } catch (error) {
    if (error instanceof NoRepositoryError) return undefined;
    throw error;
  }
}

async function compared(
  client: HubClient,
  repo: string,
  { id }: Commit,
  files: readonly PreparedFile[],
): Promise<PushedFile[]> {
  const names = files.map(({ name }) => name);
  const there = await client.files(repo, id, names);
  const states = files.map(async ({ name, path, bytes }): Promise<PushedFile> => {
    const remote = there.get(name);
    if (!remote) return { name, bytes, there: "nothing" };
    const same = (await digestOf(path, remote.digest, remote.bytes)) !== undefined;
    return { name, bytes, there: same ? "same" : "other" };
  });
  return Promise.all(states);
}

function isNew({ name, bytes }: PreparedFile): PushedFile {
  return { name, bytes, there: "nothing" };
}

function checkNothingReplaced(repo: string, there: Commit | undefined, files: readonly PushedFile[]): void {
  const others = files.filter((file) => file.there === "other");
  if (!there || others.length === 0) return;
  const named = others.map(({ name, bytes }) => `${name} (it would become ${byteSize(bytes)})`).join(", ");
  throw new UserError({
    expected: `a repository ${repo} without other files of these names`,
    received: `${named} at commit ${there.id.slice(0, 8)}`,
    remedy:
      "push under another name or --branch, leave README.md out by --no-card, or give --force: the hub keeps what was there in its history",
  });
}
