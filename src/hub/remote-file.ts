/** How the content of a file can be told to be the right one. */
export interface Digest {
  /** `git-sha1`: of "blob", the size and the content, as git names its objects. */
  readonly algorithm: "sha256" | "git-sha1";
  /** Hexadecimal; the whole digest, its beginning, or undefined where nobody gives it. */
  readonly hex: string | undefined;
}

/** A file elsewhere, with all that is needed to get and to check it. */
export interface RemoteFile {
  readonly name: string;
  /** Name of the content in the cache: other content, other name. */
  readonly blob: string;
  readonly bytes: number;
  readonly digest: Digest;
  /** The content from a byte on. */
  open(from: number): AsyncIterable<Uint8Array>;
}
