import { createHash } from "node:crypto";
import { UserError } from "../core/errors.js";
import type { RemoteFile } from "./remote-file.js";
import { chunksOf, request } from "./request.node.js";

const unreachable = "check the address and the network, or use --offline for what is in the cache";

/**
 * A file at a URL. No token is sent. Where its name ends in the beginning of its SHA-256, as PyTorch's and OpenMMLab's do
 * (`repvgg-A0_…-60ae8e23.pth`), that is checked.
 * @throws UserError when it cannot be reached or the server does not say how large it is.
 */
export async function urlFile(url: string, name: string, signal: AbortSignal | undefined): Promise<RemoteFile> {
  const ask = async (range: string): Promise<Response> => {
    const headers = { Range: range, "Accept-Encoding": "identity" };
    const response = await request(url, { headers, ...(signal ? { signal } : {}) }, unreachable);
    if (response.ok) return response;
    await response.body?.cancel();
    throw new UserError({
      expected: `a file at ${url}`,
      received: `HTTP status ${response.status}`,
      remedy: "check the address",
    });
  };
  const response = await ask("bytes=0-0");
  const { status, headers } = response;
  await response.body?.cancel();
  const size = status === 206 ? headers.get("content-range")?.split("/")[1] : headers.get("content-length");
  const bytes = /^\d+$/.test(size ?? "") ? Number(size) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw new UserError({
      expected: `a server that says how large ${url} is`,
      received: "no size",
      remedy: "download it by other means and name the file",
    });
  }
  const version = [url, bytes, headers.get("etag") ?? "", headers.get("last-modified") ?? ""].join("\n");
  return {
    name,
    blob: `url-${createHash("sha256").update(version).digest("hex")}`,
    bytes,
    digest: { algorithm: "sha256", hex: /-([0-9a-f]{8,64})\.(pth|pt)$/.exec(name)?.[1] },
    async *open(from) {
      const response = await ask(`bytes=${from}-`);
      if (!response.body) return;
      // A server that does not know ranges sends everything.
      let skip = response.status === 206 ? 0 : from;
      for await (const chunk of chunksOf(response.body)) {
        const rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
        if (rest.length > 0) yield rest;
      }
    },
  };
}
