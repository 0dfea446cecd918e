import { existsSync } from "node:fs";
import { foldNet } from "../../exchange/fold-net.js";
import { type FileLoadOptions, loadNet } from "../../exchange/load-net.node.js";
import { type Net, netOf } from "../../exchange/net.js";
import type { Form } from "../../nn/architecture.js";
import { repvgg } from "../../nn/repvgg.js";

/**
 * A net to be timed: a file of any kind as it is, or folded where `form` is plain; or a net of the zoo with fresh weights, plain unless
 * `form` is train.
 * @throws UserError for a name that is neither.
 */
export async function netNamed(
  name: string,
  { form, ...options }: FileLoadOptions & { readonly form?: Form } = {},
): Promise<Net> {
  if (!existsSync(name) && !/[./\\]/.test(name)) return netOf(repvgg(name, { form: form ?? "plain" }));
  const net = await loadNet(name, options);
  return form === "plain" && net.source.form !== "plain" ? foldNet(net).net : net;
}
