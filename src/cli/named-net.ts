import { foldNet } from "../exchange/fold-net.js";
import type { Net } from "../exchange/net.js";
import type { LoadOptions } from "../exchange/read-net.js";
import { isPublishedName, loadNamed as load, withNamed as work } from "../hub/named-net.node.js";
import type { Form } from "../nn/architecture.js";
import { netNamed } from "../studies/bench/net-named.node.js";

/** Commands ask nobody over a network but `pull`, whose cache they read. */
const network = { offline: true };

/** @throws as the hub's {@link load}; for what is not in the cache with the command that gets it. */
export function loadNamed(name: string, options: LoadOptions = {}): Promise<Net> {
  return load(name, options, network);
}

/** {@link loadNamed} with the weights left in their file while `use` runs, which must not keep the net. */
export function withNamed<R>(name: string, options: LoadOptions, use: (net: Net) => Promise<R>): Promise<R> {
  return work(name, options, network, use);
}

/** A net to be timed: {@link loadNamed}, or a net of the zoo with fresh weights; folded where `form` is plain. */
export async function netToTime(name: string, options: LoadOptions & { readonly form?: Form } = {}): Promise<Net> {
  if (!isPublishedName(name)) return netNamed(name, options);
  const { form, ...rest } = options;
  const net = await loadNamed(name, rest);
  return form === "plain" && net.source.form !== "plain" ? foldNet(net).net : net;
}
