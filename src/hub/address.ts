import { UserError } from "../core/errors.js";

/** What `pull` is asked for: a model of a hub, or a file anywhere. */
export type Address =
  | {
      readonly kind: "hub";
      /** "owner/name". */
      readonly repo: string;
      /** A file of the repository, in place of the usual ones. */
      readonly file: string | undefined;
      /** Branch, tag or commit that the address itself names. */
      readonly revision: string | undefined;
    }
  | {
      readonly kind: "url";
      readonly url: string;
      /** The last part of its path. */
      readonly file: string;
    };

/** Where names of published nets are looked for. */
export const publicHub = "https://huggingface.co";

/**
 * Whether a text is a published net's name by its form: owner/name, or owner/name:file. What ends like a file of weights is a path (in a
 * browser an address), and so is what begins with "./" or "/".
 */
export function looksPublished(text: string): boolean {
  if (!/^\w[\w.-]*\/\w[\w.-]*(:[^:]+)?$/.test(text)) return false;
  return text.includes(":") || !/\.(safetensors|pth|pt|bin|ckpt|onnx|json)$/i.test(text);
}

const repoPattern = /^[\w-][\w.-]*\/[\w-][\w.-]*$/;
const weightsPattern = /\.(safetensors|pth|pt|bin|ckpt)$/i;

/**
 * Reads "owner/name", "owner/name:file", the address of a repository or file on a hub's site
 * (`https://huggingface.co/owner/name/resolve/main/model.safetensors`), or the URL of a weights file anywhere.
 * @param hubs origins of hubs ("https://huggingface.co")
 * @throws UserError for anything else.
 */
export function parseAddress(text: string, hubs: readonly string[]): Address {
  if (/^https?:\/\//i.test(text)) return parseUrl(text, hubs);
  const [repo = "", file] = splitOnce(text, ":");
  if (!repoPattern.test(repo)) throw unknown(text);
  if (file !== undefined) checkFile(file);
  return { kind: "hub", repo, file, revision: undefined };
}

function parseUrl(text: string, hubs: readonly string[]): Address {
  if (!URL.canParse(text)) throw unknown(text);
  const url = new URL(text);
  if (hubs.includes(url.origin)) {
    const [owner = "", name = "", action = "", revision, ...path] = url.pathname.slice(1).split("/").map(decoded);
    const repo = `${owner}/${name}`;
    if (repoPattern.test(repo) && action === "" && revision === undefined)
      return { kind: "hub", repo, file: undefined, revision };
    if (repoPattern.test(repo) && (action === "resolve" || action === "blob") && path.length > 0) {
      const file = path.join("/");
      checkFile(file);
      return { kind: "hub", repo, file, revision };
    }
  }
  const file = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  if (!weightsPattern.test(file)) throw unknown(text);
  return { kind: "url", url: url.href, file };
}

/** The file's name becomes a path below the cache: it must stay there, on every system. */
function checkFile(file: string): void {
  const safe = file
    .split("/")
    .every((part) => part !== "" && part !== "." && part !== ".." && !/[\\:*?"<>|\p{Cc}]/u.test(part));
  if (safe && weightsPattern.test(file)) return;
  throw new UserError({
    expected: "a weights file of the repository (.safetensors, .pth, .pt, .bin)",
    received: JSON.stringify(file),
  });
}

/** @throws UserError for what is no name of a branch, tag or commit. */
export function checkRevision(revision: string): void {
  if (/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(revision)) return;
  throw new UserError({ expected: "a branch, tag or commit as revision", received: JSON.stringify(revision) });
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function unknown(text: string): UserError {
  return new UserError({
    expected: "owner/name, owner/name:file or the URL of a .safetensors or .pth file",
    received: JSON.stringify(text),
    remedy: "for example timm/repvgg_a0.rvgg_in1k",
  });
}
