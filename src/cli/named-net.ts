import { existsSync } from "node:fs";
import { UserError } from "../core/errors.js";
import { foldNet } from "../exchange/fold-net.js";
import { loadNet, withNet } from "../exchange/load-net.node.js";
import { type Net, netOf } from "../exchange/net.js";
import { type LoadOptions, withUnusedOptions } from "../exchange/read-net.js";
import { timmName } from "../exchange/timm-name.js";
import type { Form } from "../nn/architecture.js";
import { variantNames } from "../nn/zoo.js";
import { netNamed } from "../studies/bench/net-named.node.js";

/**
 * A net by what people call it: a file of any kind, or a published net (`timm/repvgg_a0.rvgg_in1k`) that is in the hub's cache.
 * Nobody is asked over a network.
 * @throws UserError also for a net of the zoo, which has no weights, and a published one that is not in the cache: with the command that gets it.
 */
export async function loadNamed(name: string, options: LoadOptions = {}): Promise<Net> {
  return isPublishedName(name) ? published(name, options) : loadNet(checked(name), options);
}

/** {@link loadNamed} with the weights left in their file while `work` runs, which must not keep the net. */
export async function withNamed<R>(name: string, options: LoadOptions, work: (net: Net) => Promise<R>): Promise<R> {
  return isPublishedName(name) ? work(await published(name, options)) : withNet(checked(name), options, work);
}

/** A net to be timed: {@link loadNamed}, or a net of the zoo with fresh weights; folded where `form` is plain. */
export async function netToTime(name: string, options: LoadOptions & { readonly form?: Form } = {}): Promise<Net> {
  if (!isPublishedName(name)) return netNamed(name, options);
  const { form, ...rest } = options;
  const net = await published(name, rest);
  return form === "plain" && net.source.form !== "plain" ? foldNet(net).net : net;
}

/** owner/name, or owner/name:file; what ends like a file of weights, or is there, is a path. */
function isPublishedName(name: string): boolean {
  if (!/^\w[\w.-]*\/\w[\w.-]*(:[^:]+)?$/.test(name) || existsSync(name)) return false;
  return name.includes(":") || !/\.(safetensors|pth|pt|bin|ckpt|onnx|json)$/i.test(name);
}

async function published(name: string, { batchNormEpsilon, ...options }: LoadOptions): Promise<Net> {
  // The hub's library takes a moment to load.
  const { NotCachedError, pull } = await import("../hub/pull.node.js");
  try {
    const epsilon = batchNormEpsilon === undefined ? {} : { batchNormEpsilon };
    const { model, remarks } = await pull(name, { offline: true, ...epsilon });
    const net = withUnusedOptions(netOf(model), options);
    const { source } = net;
    return { ...net, source: { ...source, notes: [...new Set([...remarks, ...source.notes])] } };
  } catch (error) {
    if (!(error instanceof NotCachedError)) throw error;
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

/** The path, unless it is the name of a net of the zoo and no file. @throws UserError for such a name */
function checked(name: string): string {
  if (existsSync(name)) return name;
  const variant = variantNames.find((known) => same(known, name));
  if (!variant) return name;
  const own = "repvgg train makes your own";
  throw new UserError({
    expected: "a net with weights",
    received: `${name}, an architecture of the zoo, which has none`,
    remedy: onTheHub.has(variant)
      ? `repvgg pull timm/${timmName(variant)}.rvgg_in1k gets published weights; ${own}`
      : `${own} (--model ${variant})`,
  });
}

/** "A0", "a0", "RepVGG-A0", "repvgg_a0". */
function same(variant: string, name: string): boolean {
  return name.toLowerCase().replace(/^repvgg[-_]?/, "") === variant.toLowerCase();
}

/** Nets of the zoo whose weights timm has published (docs/pull.md lists them). */
const onTheHub: ReadonlySet<string> = new Set([
  "A0",
  "A1",
  "A2",
  "B0",
  "B1",
  "B1g4",
  "B2",
  "B2g4",
  "B3",
  "B3g4",
  "D2se",
]);
