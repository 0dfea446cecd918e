import { UserError } from "../core/errors.js";
import { type Net, netOf } from "../exchange/net.js";
import { netOfBytes } from "../exchange/net-bytes.js";
import { type LoadOptions, withUnusedOptions } from "../exchange/read-net.js";
import { parseTimmConfig } from "../exchange/timm-config.js";
import { checkRevision, parseAddress, publicHub } from "../hub/address.js";
import {
  checkConfigIsRepvgg,
  configFile,
  hintsOf,
  maxConfigBytes,
  publishedModel,
  publishedProvenance,
  usualWeights,
  withProvenance,
} from "../hub/config-hints.js";
import { type FetchOptions, fetchBytes } from "./fetch-bytes.js";
import { type ListedFile, listing } from "./hub-listing.js";

/** Where a published net is got from. */
export interface PublishedOptions {
  /** Address of the hub. Default "https://huggingface.co". */
  readonly hub?: string;
  /** Branch, tag or commit. Default "main". */
  readonly revision?: string;
}

/**
 * A published RepVGG by what a hub calls it: "owner/name", or "owner/name:file". Weights and config.json are those of one commit, and are
 * believed after their size and digest are checked (the digest where the page has `crypto.subtle`: on https and localhost). Files of a
 * commit never change, so that what is in the browser's store is taken as it is; which commit a branch is, `cache` decides.
 * @throws UserError when it is not there, may not be read by everybody, cannot be reached and is not in the store, is damaged, or is
 *   no RepVGG; the signal's reason
 */
export async function publishedNet(
  name: string,
  options: LoadOptions & FetchOptions & PublishedOptions & { readonly name?: string },
): Promise<Net> {
  const {
    hub = publicHub,
    revision = "main",
    cache,
    signal,
    onProgress,
    name: _,
    batchNormEpsilon,
    ...hints
  } = options;
  const endpoint = checkedHub(hub);
  const address = parseAddress(name, []);
  if (address.kind !== "hub") throw new UserError({ expected: "owner/name of a published net", received: name });
  checkRevision(revision);
  const { repo, file } = address;
  const candidates = file === undefined ? usualWeights : [file];
  const fetching: FetchOptions = { ...(signal && { signal }), ...(cache && { cache }) };
  const { commit, license, files } = await listing(endpoint, repo, revision, [configFile, ...candidates], fetching);
  const weights = candidates.map((path) => files.get(path)).find((found) => found !== undefined);
  if (!weights) {
    throw new UserError({
      expected: `${candidates.join(" or ")} in ${repo}`,
      received: `no such file at revision ${revision}`,
      remedy: `see ${endpoint}/${repo}/tree/${revision}; name another file as ${repo}:FILE`,
    });
  }
  const get = (listed: ListedFile, told?: FetchOptions["onProgress"]): Promise<Uint8Array> => {
    const path = listed.path.split("/").map(encodeURIComponent).join("/");
    const url = new URL(`${endpoint}/${repo}/resolve/${commit}/${path}`);
    const once = { ...fetching, cache: cache === "off" ? "off" : "first", ...(told && { onProgress: told }) } as const;
    return fetchBytes(url, once, listed);
  };
  const listedConfig = files.get(configFile);
  const config =
    listedConfig && listedConfig.bytes <= maxConfigBytes
      ? parseTimmConfig(new TextDecoder().decode(await get(listedConfig)))
      : undefined;
  if (config) checkConfigIsRepvgg(config, repo);
  const bytes = await get(weights, onProgress);
  signal?.throwIfAborted();
  const read = await netOfBytes(bytes, `${repo}:${weights.path}`, {
    ...(config && hintsOf(config, repo)),
    ...(batchNormEpsilon !== undefined && { batchNormEpsilon, epsilonBy: "as asked for" }),
  });
  const sha256 = weights.digest.algorithm === "sha256" ? weights.digest.hex : undefined;
  const provenance = publishedProvenance({ endpoint, repo, revision, commit, file: weights.path, sha256, license });
  const net = withUnusedOptions(netOf(withProvenance(publishedModel(read, repo), config, provenance)), hints);
  return { ...net, source: { ...net.source, notes: [...new Set([...read.source.notes, ...net.source.notes])] } };
}

/** @throws UserError for what is no address of a server */
function checkedHub(hub: string): string {
  if (/^https?:\/\//i.test(hub) && URL.canParse(hub)) return hub.replace(/\/+$/, "");
  throw new UserError({ expected: "a hub's address (https://…)", received: JSON.stringify(hub) });
}
