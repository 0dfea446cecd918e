import { copyFile, mkdir, readFile, readlink, realpath, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { UserError } from "../core/errors.js";
import { writeFileAtomically } from "../formats/atomic-write.node.js";
import { explainFileError } from "../formats/file-errors.node.js";
import { type DownloadOptions, digestOf, ensureBlob } from "./blob.node.js";
import type { Digest, RemoteFile } from "./remote-file.js";

/** A file in the cache. */
export interface CachedFile {
  readonly path: string;
  /** SHA-256 of the content; undefined where git's SHA-1 stands for it. */
  readonly sha256: string | undefined;
}

let counter = 0;

/**
 * The cache of one repository, laid out as the hub's own libraries do, which share it: contents in `blobs/`, links to them
 * by their names in `snapshots/<commit>/`, the commit of a branch or tag in `refs/`.
 */
export class RepositoryCache {
  constructor(readonly folder: string) {}

  /** The commit that a branch or tag was when it was last asked for. */
  async resolve(revision: string): Promise<string | undefined> {
    const text = await readFile(join(this.folder, "refs", ...revision.split("/")), "utf8").catch(() => undefined);
    return text?.trim();
  }

  async remember(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.folder, "refs", ...revision.split("/"));
    try {
      await mkdir(dirname(path), { recursive: true });
    } catch (error) {
      throw explainFileError("write", path, error);
    }
    await writeFileAtomically(path, commit);
  }

  /** Gets a file where it is not there. @throws UserError as {@link ensureBlob}. */
  async add(commit: string, file: RemoteFile, options: DownloadOptions): Promise<CachedFile> {
    const hex = await ensureBlob(join(this.folder, "blobs"), file, options);
    const path = this.#snapshot(commit, file.name);
    await link(join(this.folder, "blobs", file.blob), path);
    return { path, sha256: file.digest.algorithm === "sha256" ? hex : undefined };
  }

  /** A file that is there. @throws UserError when its content is not what its name says. */
  async find(commit: string, name: string): Promise<CachedFile | undefined> {
    const path = this.#snapshot(commit, name);
    const blob = await realpath(path).catch(() => undefined);
    if (blob === undefined) return undefined;
    const digest = digestByName(basename(blob));
    const hex = await digestOf(blob, digest);
    if (hex === undefined) {
      throw new UserError({
        expected: `the file in the cache that its name says, ${blob}`,
        received: "damaged content",
        remedy: "pull it again with a network",
      });
    }
    return { path, sha256: digest.algorithm === "sha256" ? hex : undefined };
  }

  #snapshot(commit: string, name: string): string {
    return join(this.folder, "snapshots", commit, ...name.split("/"));
  }
}

function digestByName(blob: string): Digest {
  if (/^[0-9a-f]{40}$/.test(blob)) return { algorithm: "git-sha1", hex: blob };
  return { algorithm: "sha256", hex: /^[0-9a-f]{64}$/.test(blob) ? blob : undefined };
}

/** A relative link, or a copy where the system has none, put in place in one step. */
async function link(blob: string, path: string): Promise<void> {
  const target = relative(dirname(path), blob);
  if ((await readlink(path).catch(() => undefined)) === target) return;
  try {
    await mkdir(dirname(path), { recursive: true });
    const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${counter++}.tmp`);
    await rm(temporary, { force: true });
    await symlink(target, temporary).catch(() => copyFile(blob, temporary));
    await rename(temporary, path);
  } catch (error) {
    throw explainFileError("write", path, error);
  }
}
