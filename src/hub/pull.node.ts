import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../core/errors.js";
import { cacheFolder } from "../data/fashion-mnist.node.js";
import { parseTimmConfig, type TimmConfig } from "../exchange/timm-config.js";
import type { Model } from "../nn/model.js";
import { type Address, checkRevision, parseAddress, publicHub } from "./address.js";
import { type CachedFile, RepositoryCache } from "./cache.node.js";
import {
  checkConfigIsRepvgg,
  configFile,
  maxConfigBytes,
  publishedProvenance,
  usualWeights,
  withProvenance,
} from "./config-hints.js";
import { modelFromFile } from "./convert.node.js";
import { HubClient } from "./hub-client.node.js";
import { hubLibrary } from "./library.node.js";
import type { RemoteFile } from "./remote-file.js";
import { urlFile } from "./url-file.node.js";

/** Which revision is pulled, from where, and what the weights do not say. */
export interface PullOptions {
  /** Branch, tag or commit. Default: what the address says, else "main". */
  readonly revision?: string;
  /** Use what is in the cache and ask nobody. Default: whether HF_HUB_OFFLINE is set. */
  readonly offline?: boolean;
  /** Of the hub. Default: HF_ENDPOINT, else https://huggingface.co. */
  readonly endpoint?: string;
  /** For private and gated repositories. Default: HF_TOKEN. Never sent to another host than the hub's. */
  readonly token?: string;
  /** ε of every BatchNorm, where the weights do not hold it. Default: as their library builds the net, else 1e-5. */
  readonly batchNormEpsilon?: number;
  /** Told of the bytes of each file that are there. */
  readonly onBytes?: (file: string, done: number, total: number) => void;
  /** Stops the download; what is there is kept and used by the next one. */
  readonly signal?: AbortSignal;
}

/** Published weights as a model. */
export interface Pulled {
  /** In the form that was published: of timm's RepVGGs the training form. */
  readonly model: Model;
  /** What the repository leaves open, and where its preprocessing differs from ours. */
  readonly remarks: readonly string[];
  /** The weights as they were published, in the cache. */
  readonly path: string;
}

/** The weights, with what is known about them. */
interface Found {
  readonly weights: CachedFile;
  readonly config: CachedFile | undefined;
  readonly provenance: Readonly<Record<string, string>>;
}

/**
 * Gets published RepVGG weights, checks them, keeps them in the hub's cache (`HF_HOME`) and makes a model of them:
 * structure from names and shapes, preprocessing and class names from `config.json`.
 * @param address "owner/name", "owner/name:file", or the URL of a .safetensors or .pth file
 * @throws UserError when it is not there, may not be read, cannot be reached, is damaged, finds no space, or is no RepVGG.
 */
export async function pull(address: string, options: PullOptions = {}): Promise<Pulled> {
  const env = (name: string): string | undefined => process.env[name]?.trim() || undefined;
  const client = new HubClient(
    options.endpoint ?? env("HF_ENDPOINT") ?? publicHub,
    options.token ?? env("HF_TOKEN"),
    options.signal,
  );
  const offline = isOffline(options);
  const place = parseAddress(address, [publicHub, new URL(client.endpoint).origin]);
  const found =
    place.kind === "url"
      ? await fromUrl(place, offline, options)
      : await fromHub(place, client, offline, { ...options, revision: options.revision ?? place.revision ?? "main" });
  const config = await readConfig(found.config);
  return { ...(await convert(found, config, address, options)), path: found.weights.path };
}

/** Whether nobody may be asked. */
export function isOffline({ offline }: Pick<PullOptions, "offline">): boolean {
  return offline ?? /^(1|on|yes|true)$/i.test(process.env["HF_HUB_OFFLINE"]?.trim() ?? "");
}

async function fromHub(
  { repo, file }: Address & { kind: "hub" },
  client: HubClient,
  offline: boolean,
  options: PullOptions & { readonly revision: string },
): Promise<Found> {
  const { revision } = options;
  checkRevision(revision);
  const { getHFHubCachePath, getRepoFolderName } = await hubLibrary();
  const cache = new RepositoryCache(join(getHFHubCachePath(), getRepoFolderName({ type: "model", name: repo })));
  const candidates = file === undefined ? usualWeights : [file];
  if (offline) {
    const commit = /^[0-9a-f]{40}$/.test(revision) ? revision : await cache.resolve(revision);
    const weights = commit && (await firstCached(cache, commit, candidates));
    if (!weights) throw notCached(`${repo} at revision ${revision}`, cache.folder);
    const config = await cache.find(commit, configFile);
    return { ...weights, config, provenance: hubProvenance(client, repo, revision, commit, weights) };
  }
  const commit = await client.commit(repo, revision);
  const files = await client.files(repo, commit.id, [configFile, ...candidates]);
  const remote = candidates.map((name) => files.get(name)).find((found) => found !== undefined);
  if (!remote) {
    throw new UserError({
      expected: `${candidates.join(" or ")} in ${repo}`,
      received: `no such file at revision ${revision}`,
      remedy: `see ${client.endpoint}/${repo}/tree/${revision}; name another file as ${repo}:FILE`,
    });
  }
  const get = (found: RemoteFile): Promise<CachedFile> => cache.add(commit.id, found, downloadOptions(found, options));
  const remoteConfig = files.get(configFile);
  const config = remoteConfig && remoteConfig.bytes <= maxConfigBytes ? await get(remoteConfig) : undefined;
  const parsed = await readConfig(config);
  if (parsed) checkConfigIsRepvgg(parsed, repo);
  const weights = { name: remote.name, weights: await get(remote) };
  await cache.remember(revision, commit.id);
  return { ...weights, config, provenance: hubProvenance(client, repo, revision, commit.id, weights, commit.license) };
}

async function firstCached(
  cache: RepositoryCache,
  commit: string,
  names: readonly string[],
): Promise<{ name: string; weights: CachedFile } | undefined> {
  for (const name of names) {
    const weights = await cache.find(commit, name);
    if (weights) return { name, weights };
  }
  return undefined;
}

function hubProvenance(
  { endpoint }: HubClient,
  repo: string,
  revision: string,
  commit: string,
  { name: file, weights: { sha256 } }: { name: string; weights: CachedFile },
  license?: string,
): Record<string, string> {
  return publishedProvenance({ endpoint, repo, revision, commit, file, sha256, license });
}

async function fromUrl(
  { url, file }: Address & { kind: "url" },
  offline: boolean,
  options: PullOptions,
): Promise<Found> {
  const key = createHash("sha256").update(url).digest("hex").slice(0, 32);
  const cache = new RepositoryCache(join(cacheFolder(), "urls", key));
  const get = async (): Promise<CachedFile> => {
    if (offline) {
      const version = await cache.resolve("latest");
      const found = version && (await cache.find(version, file));
      if (!found) throw notCached(url, cache.folder);
      return found;
    }
    const remote = await urlFile(url, file, options.signal);
    const found = await cache.add(remote.blob, remote, downloadOptions(remote, options));
    await cache.remember("latest", remote.blob);
    return found;
  };
  const weights = await get();
  const sha256 = weights.sha256 === undefined ? {} : { sha256: weights.sha256 };
  return { weights, config: undefined, provenance: { url, file, ...sha256 } };
}

async function convert(
  { weights, provenance }: Found,
  config: TimmConfig | undefined,
  origin: string,
  { batchNormEpsilon }: PullOptions,
): Promise<Omit<Pulled, "path">> {
  const { model, remarks } = await modelFromFile(weights.path, config, origin, batchNormEpsilon);
  return { model: withProvenance(model, config, provenance), remarks };
}

async function readConfig(config: CachedFile | undefined): Promise<TimmConfig | undefined> {
  return config && parseTimmConfig(await readFile(config.path, "utf8"));
}

function downloadOptions({ name }: RemoteFile, { onBytes, signal }: PullOptions) {
  return { signal, onBytes: onBytes && ((done: number, total: number) => onBytes(name, done, total)) };
}

/** What was asked for without a network is not in the cache. */
export class NotCachedError extends UserError {}

function notCached(what: string, folder: string): NotCachedError {
  return new NotCachedError({
    expected: `${what} in the cache`,
    received: `nothing in ${folder}`,
    remedy: "pull it once without --offline",
  });
}
