import { UserError } from "../core/errors.js";
import type { Digest } from "../hub/remote-file.js";
import { type FetchOptions, openStore } from "./fetch-bytes.js";

/** A file of a repository, as the hub lists it. */
export interface ListedFile {
  readonly path: string;
  readonly bytes: number;
  readonly digest: Digest & { readonly hex: string };
}

/** What a hub says of a revision. */
export interface Listing {
  /** 40 hexadecimal digits. */
  readonly commit: string;
  readonly license: string | undefined;
  /** Those of the files asked for that are there, by path. */
  readonly files: ReadonlyMap<string, ListedFile>;
}

/** Longest answer that is read: of a few files it has some kilobytes. */
const mostLetters = 2 ** 22;

/** The largest file that browsers hold in one piece everywhere. */
const mostBytes = 2 ** 31 - 1;

type Json = Readonly<Record<string, unknown>>;

/**
 * The commit that a revision is, and what its files are. `cache`: "first" takes what the store has without asking, "revalidate"
 * (default) where the hub cannot be reached, "off" never.
 * @throws UserError when it is not there, not for everybody, cannot be reached, or the answer makes no sense; the signal's reason
 */
export async function listing(
  endpoint: string,
  repo: string,
  revision: string,
  paths: readonly string[],
  { cache = "revalidate", signal }: FetchOptions,
): Promise<Listing> {
  const about = new URL(`${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}`);
  const kept = new URL(about);
  kept.searchParams.set("files", paths.join());
  const store = cache === "off" ? undefined : await openStore(kept);
  const stored = async (): Promise<Listing | undefined> => {
    const response = await store?.match(kept);
    return response && readListing(await response.json(), endpoint, paths);
  };
  if (cache === "first") {
    const known = await stored();
    if (known) return known;
  }
  let answers: { readonly info: unknown; readonly files: unknown };
  try {
    const info = await ask(about, {}, repo, revision, endpoint, signal);
    const commit = commitOf(info, endpoint);
    const listed = new URL(`${endpoint}/api/models/${repo}/paths-info/${commit}`);
    const init = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ paths }) };
    answers = { info, files: await ask(listed, init, repo, revision, endpoint, signal) };
  } catch (error) {
    const known = error instanceof Unreached ? await stored() : undefined;
    if (known) return known;
    throw error;
  }
  const found = readListing(answers, endpoint, paths);
  await store?.put(kept, new Response(JSON.stringify(answers))).catch(() => {}); // the store may be full
  return found;
}

/** The hub does not answer. */
class Unreached extends UserError {}

async function ask(
  url: URL,
  init: RequestInit,
  repo: string,
  revision: string,
  endpoint: string,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...init, ...(signal && { signal }), credentials: "omit" });
    text = await response.text();
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Unreached(
      {
        expected: `the published net ${repo} from ${endpoint}, or from this browser's store`,
        received: "no answer, and nothing stored",
        remedy: `check the connection; the page's Content Security Policy must allow it (connect-src ${endpoint}); to load a file of your own site write ./${repo}`,
      },
      { cause },
    );
  }
  if (!response.ok) throw refused(response, repo, revision, endpoint);
  try {
    if (text.length <= mostLetters) return JSON.parse(text);
  } catch {
    // told below
  }
  throw malformed("JSON", text.slice(0, 40), endpoint);
}

function refused({ status, headers }: Response, repo: string, revision: string, endpoint: string): UserError {
  const page = `${endpoint}/${repo}`;
  if (headers.get("x-error-code") === "RevisionNotFound") {
    return new UserError({
      expected: `a revision of ${repo}`,
      received: `"${revision}"`,
      remedy: `see the branches and tags at ${page}/tree/main`,
    });
  }
  if ([401, 403, 404].includes(status)) {
    return new UserError({
      expected: `a published net ${repo} at ${endpoint} that everybody may read`,
      received: `HTTP status ${status}`,
      remedy: `check the name at ${page}; to load a file of your own site write ./${repo}`,
    });
  }
  return new UserError({
    expected: `an answer from ${endpoint}`,
    received: `HTTP status ${status}`,
    remedy: "try again later",
  });
}

function readListing(value: unknown, endpoint: string, paths: readonly string[]): Listing {
  const { info, files } = isObject(value) ? value : ({} as Json);
  const commit = commitOf(info, endpoint);
  const card = isObject(info) && isObject(info["cardData"]) ? info["cardData"] : {};
  const license = typeof card["license"] === "string" ? card["license"] : undefined;
  if (!Array.isArray(files)) throw malformed("a list of files", files, endpoint);
  const found = new Map<string, ListedFile>();
  for (const entry of files as unknown[]) {
    if (!isObject(entry) || entry["type"] !== "file" || typeof entry["path"] !== "string") continue;
    const path = entry["path"];
    if (paths.includes(path)) found.set(path, listedFile(path, entry, endpoint));
  }
  return { commit, license, files: found };
}

/** The name of the content: of a large file its SHA-256, else git's own. */
function listedFile(path: string, entry: Json, endpoint: string): ListedFile {
  const lfs = isObject(entry["lfs"]) ? entry["lfs"] : undefined;
  const hex = lfs ? lfs["oid"] : entry["oid"];
  const bytes = lfs ? lfs["size"] : entry["size"];
  if (typeof hex !== "string" || !(lfs ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hex)) {
    throw malformed("a content id", hex, endpoint);
  }
  if (!Number.isSafeInteger(bytes) || (bytes as number) < 0) throw malformed("a size", bytes, endpoint);
  if ((bytes as number) > mostBytes) {
    throw new UserError({
      expected: `a file of at most ${mostBytes} bytes, which browsers can hold`,
      received: `${path} of ${bytes}`,
      remedy: "use Node for it",
    });
  }
  return { path, bytes: bytes as number, digest: { algorithm: lfs ? "sha256" : "git-sha1", hex } };
}

function commitOf(info: unknown, endpoint: string): string {
  const sha = isObject(info) ? info["sha"] : undefined;
  if (typeof sha === "string" && /^[0-9a-f]{40}$/.test(sha)) return sha;
  throw malformed("a commit", sha, endpoint);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(expected: string, received: unknown, endpoint: string): UserError {
  return new UserError({
    expected: `${expected} from ${endpoint}`,
    received: JSON.stringify(received)?.slice(0, 80) ?? "nothing",
    remedy: "check the hub's address",
  });
}
