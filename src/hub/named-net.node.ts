import { existsSync } from "node:fs";
import { timmNets } from "../cards/timm-net.js";
import { UserError } from "../core/errors.js";
import { loadNet, type NetFile, withNet } from "../exchange/load-net.node.js";
import { type Net, netOf } from "../exchange/net.js";
import { type LoadOptions, withUnusedOptions } from "../exchange/read-net.js";
import { timmName } from "../exchange/timm-name.js";
import { variantNames } from "../nn/zoo.js";
import { looksPublished } from "./address.js";
import { isOffline, NotCachedError, type PullOptions, pull } from "./pull.node.js";

/** How a published net is got where it is not in the cache. */
export type NetworkOptions = Pick<PullOptions, "offline" | "endpoint" | "token" | "revision" | "onBytes" | "signal">;

/**
 * A net by what people call it: a file of any kind, or a published net (`timm/repvgg_a0.rvgg_in1k`): from the hub's cache, else from the hub.
 * What is in the cache is taken without asking; `pull` brings it up to date.
 * @throws UserError also for a net of the zoo, which has no weights, and a published one that cannot be got.
 */
export async function loadNamed(
  source: NetFile,
  options: LoadOptions & { readonly name?: string } = {},
  network: NetworkOptions = {},
): Promise<Net> {
  if (typeof source !== "string") return loadNet(source, options);
  return isPublishedName(source) ? publishedNet(source, options, network) : loadNet(pathOfNet(source), options);
}

/** {@link loadNamed} with the weights left in their file while `work` runs, which must not keep the net. */
export async function withNamed<R>(
  name: string,
  options: LoadOptions,
  network: NetworkOptions,
  work: (net: Net) => Promise<R>,
): Promise<R> {
  return isPublishedName(name)
    ? work(await publishedNet(name, options, network))
    : withNet(pathOfNet(name), options, work);
}

/** owner/name, or owner/name:file; what ends like a file of weights, or is there, is a path. */
export function isPublishedName(name: string): boolean {
  return looksPublished(name) && !existsSync(name);
}

/** @throws UserError where it is neither in the cache nor to be got. */
async function publishedNet(
  name: string,
  { batchNormEpsilon, ...options }: LoadOptions,
  network: NetworkOptions,
): Promise<Net> {
  const asked = { ...network, ...(batchNormEpsilon !== undefined && { batchNormEpsilon }) };
  const { model, remarks } = await cachedOrPulled(name, asked);
  const net = withUnusedOptions(netOf(model), options);
  const { source } = net;
  return { ...net, source: { ...source, notes: [...new Set([...remarks, ...source.notes])] } };
}

async function cachedOrPulled(name: string, options: PullOptions) {
  try {
    return await pull(name, { ...options, offline: true });
  } catch (error) {
    if (!(error instanceof NotCachedError)) throw error;
    if (isOffline(options)) {
      throw new UserError(
        {
          expected: "a file, or a published net in the cache",
          received: `${name}, which is neither`,
          remedy: `repvgg pull ${name} gets it, if that is what a hub calls it; else check the path`,
        },
        { cause: error },
      );
    }
  }
  try {
    return await pull(name, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      {
        expected: `a file ${name}, or a published net of that name`,
        received: `no such file, and of the hub: ${error.message}`,
      },
      { cause: error },
    );
  }
}

/** The path, unless it is the name of a net of the zoo and no file. @throws UserError for such a name */
export function pathOfNet(name: string): string {
  if (existsSync(name)) return name;
  const variant = variantNames.find((known) => same(known, name));
  if (!variant) return name;
  const own = "repvgg train makes your own";
  throw new UserError({
    expected: "a net with weights",
    received: `${name}, an architecture of the zoo, which has none`,
    remedy: timmNets.has(variant)
      ? `repvgg pull timm/${timmName(variant)}.rvgg_in1k gets published weights; ${own}`
      : `${own} (--model ${variant})`,
  });
}

/** "A0", "a0", "RepVGG-A0", "repvgg_a0". */
function same(variant: string, name: string): boolean {
  return name.toLowerCase().replace(/^repvgg[-_]?/, "") === variant.toLowerCase();
}
