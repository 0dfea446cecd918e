import { lstat, readdir, readFile, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { nearest, UserError } from "../core/errors.js";
import { cacheFolder } from "../data/fashion-mnist.node.js";
import { openNet } from "../exchange/load-net.node.js";
import { parseTimmConfig } from "../exchange/timm-config.js";
import { explainFileError } from "../formats/file-errors.node.js";
import { checkConfigIsRepvgg } from "./config-hints.js";

/** A net that was downloaded: a repository of the hub's cache, or a file of our own. */
export interface CachedNet {
  /** "owner/name"; of a file from elsewhere its name. */
  readonly name: string;
  /** Whose cache it is in: the hub's, or our own of files from other addresses. */
  readonly from: "hub" | "url";
  /** Its folder, which {@link clearCache} removes. */
  readonly path: string;
  /** Of all its files and revisions, unfinished downloads included. */
  readonly bytes: number;
  /** Weights that are there, of all revisions: "model.safetensors". */
  readonly weights: readonly string[];
  /** When the newest of its files came. */
  readonly downloaded: Date;
}

/** What {@link listCache} found. */
export interface CacheListing {
  /** The newest first. */
  readonly nets: readonly CachedNet[];
  /** Of all of them. */
  readonly bytes: number;
  /** Where was looked: the hub's cache, which other programs share, and our own. */
  readonly folders: readonly string[];
  /** Other things that lie there (models of other kinds, data sets): never touched. */
  readonly others: number;
}

/** Which nets are meant. Left out: all. */
export interface CacheFilter {
  /** "owner/name", or the name of a file. */
  readonly name?: string;
  /** Downloaded before so many days. */
  readonly olderThanDays?: number;
}

const weightsPattern = /\.(safetensors|pth|pt|bin|ckpt)$/i;
/** What a repository's folder may have: anything else in it, and it is not as the hub's libraries lay it out. */
const known: ReadonlySet<string> = new Set(["blobs", "snapshots", "refs", ".no_exist"]);

/**
 * The nets in the hub's cache (`HF_HOME`) and in that of files from elsewhere (`REPVGG_CACHE`), the oldest last. Only what this package can
 * read as a net counts: each is opened.
 * @throws UserError for a name that is not there, or a number of days that is none.
 */
export async function listCache(filter: CacheFilter = {}): Promise<CacheListing> {
  const { name, olderThanDays } = filter;
  if (olderThanDays !== undefined && !(Number.isFinite(olderThanDays) && olderThanDays >= 0)) {
    throw new UserError({ expected: "a number of days from 0", received: String(olderThanDays) });
  }
  const places = [
    { folder: hubCacheFolder(), from: "hub" as const, pattern: /^models--([^-].*?)--(.+)$/ },
    { folder: join(cacheFolder(), "urls"), from: "url" as const, pattern: /^[0-9a-f]{32}$/ },
  ];
  const nets: CachedNet[] = [];
  let others = 0;
  for (const { folder, from, pattern } of places) {
    for (const entry of await entriesOf(folder)) {
      if (entry.startsWith(".") || entry === "version.txt" || entry === "CACHEDIR.TAG") continue;
      const match = pattern.exec(entry);
      const net = match && (await netIn(join(folder, entry), from, `${match[1]}/${match[2]}`));
      if (net) nets.push(net);
      else others++;
    }
  }
  const now = Date.now();
  const chosen = nets
    .filter((net) => name === undefined || net.name === name)
    .filter((net) => olderThanDays === undefined || now - net.downloaded.getTime() > olderThanDays * 86_400_000)
    .sort((a, b) => b.downloaded.getTime() - a.downloaded.getTime() || (a.name < b.name ? -1 : 1));
  if (name !== undefined && !nets.some((net) => net.name === name)) throw notThere(name, nets);
  const bytes = chosen.reduce((sum, net) => sum + net.bytes, 0);
  return { nets: chosen, bytes, folders: places.map(({ folder }) => folder), others };
}

/**
 * Removes nets from the caches, whole: weights, configs and unfinished downloads. Nothing else is touched.
 * @param chosen of a {@link listCache}: those that are still there go. Left out: all.
 * @returns those that were removed
 * @throws UserError where one cannot be removed.
 */
export async function clearCache(chosen?: readonly Pick<CachedNet, "path">[]): Promise<readonly CachedNet[]> {
  const { nets } = await listCache();
  const removed = nets.filter(({ path }) => !chosen || chosen.some((net) => net.path === path));
  for (const { path } of removed) {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      throw explainFileError("write", path, error);
    }
  }
  return removed;
}

/** As huggingface_hub and `@huggingface/hub` choose it. */
export function hubCacheFolder(): string {
  const { env } = process;
  const home = env["HF_HOME"] ?? join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "huggingface");
  return env["HF_HUB_CACHE"] ?? env["HUGGINGFACE_HUB_CACHE"] ?? join(home, "hub");
}

/** The net in a repository's folder; undefined for anything that is laid out otherwise, linked from elsewhere or no net of ours. */
async function netIn(path: string, from: CachedNet["from"], repo: string): Promise<CachedNet | undefined> {
  const found = await lstat(path).catch(() => undefined);
  const entries = await entriesOf(path);
  if (!found?.isDirectory() || !entries.includes("snapshots") || !entries.every((entry) => known.has(entry))) {
    return undefined;
  }
  const weights = new Set<string>();
  let readable = false;
  for (const commit of await entriesOf(join(path, "snapshots"))) {
    const snapshot = join(path, "snapshots", commit);
    const below = await readdir(snapshot, { recursive: true }).catch(() => []);
    const files = below.filter((file) => weightsPattern.test(file)).sort();
    for (const file of files) weights.add(file);
    readable ||= files.length > 0 && (await isOurs(snapshot, files));
  }
  if (!readable) return undefined;
  const { bytes, newest } = await sizeOf(path);
  const [first = ""] = weights;
  return {
    name: from === "hub" ? repo : first,
    ...{ from, path, bytes, weights: [...weights].sort(), downloaded: new Date(newest) },
  };
}

/** Whether a snapshot holds weights that we read, and its config says nothing else. */
async function isOurs(snapshot: string, files: readonly string[]): Promise<boolean> {
  try {
    const config = join(snapshot, "config.json");
    const size = (await stat(config).catch(() => undefined))?.size ?? 0;
    if (size > 0 && size < 16e6) checkConfigIsRepvgg(parseTimmConfig(await readFile(config, "utf8")), "");
  } catch {
    return false; // of another net, or no config at all
  }
  for (const file of files) {
    const opened = await openNet(join(snapshot, file)).catch(() => undefined);
    opened?.close();
    if (opened) return true;
  }
  return false;
}

/** Bytes of all files below a folder (links count nothing), and when the newest came (ms). */
async function sizeOf(folder: string): Promise<{ bytes: number; newest: number }> {
  let [bytes, newest] = [0, 0];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined);
    bytes += found?.size ?? 0;
    newest = Math.max(newest, found?.mtimeMs ?? 0);
  }
  return { bytes, newest };
}

/** Names in a folder, sorted; none where there is no such folder, or it may not be read. */
async function entriesOf(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

function notThere(name: string, nets: readonly CachedNet[]): UserError {
  const names = nets.map((net) => net.name);
  const near = nearest(name, names);
  return new UserError({
    expected: "a net in the cache",
    received: `"${name}"`,
    remedy: near ? `did you mean ${near}?` : "repvgg cache list shows what is there",
  });
}
