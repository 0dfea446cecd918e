import { UserError } from "../core/errors.js";
import type { Digest } from "../hub/remote-file.js";

/** What a file has to be. */
export interface ExpectedContent {
  readonly bytes: number;
  readonly digest: Digest & { readonly hex: string };
}

/** Whether bytes are those that were expected: by size, and by digest where this page may compute one (https, localhost). */
export async function isExpected(
  bytes: Uint8Array<ArrayBuffer>,
  { bytes: size, digest }: ExpectedContent,
): Promise<boolean> {
  if (bytes.length !== size) return false;
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle) return true;
  const hash =
    digest.algorithm === "sha256"
      ? await subtle.digest("SHA-256", bytes)
      : await subtle.digest("SHA-1", withGitHead(bytes));
  return hexadecimal(new Uint8Array(hash)) === digest.hex;
}

/** As git hashes a file: behind its kind and size. */
function withGitHead(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new TextEncoder().encode(`blob ${bytes.length}\0`);
  const all = new Uint8Array(head.length + bytes.length);
  all.set(head);
  all.set(bytes, head.length);
  return all;
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function damaged(url: URL, { bytes, digest }: ExpectedContent, received: number): UserError {
  return new UserError({
    expected: `${url.href} of ${bytes} bytes with ${digest.algorithm} ${digest.hex}`,
    received: received === bytes ? "another content" : received > bytes ? "more bytes" : `${received} bytes`,
    remedy: "the file was damaged on its way or changed at its source; try again",
  });
}
