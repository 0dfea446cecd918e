import type { EngineNet, FoldReport } from "repvgg/browser";
import shippedUrl from "../../../assets/models/cifar10/train.safetensors?url";
import { engine } from "./engines.js";
import type { ByForm, Form, NetSummary } from "./net-summary.js";
import { loadHints, type ToldFacts } from "./told-facts.js";

/** Where a net comes from. */
export type NetRef =
  | { readonly kind: "shipped" }
  | { readonly kind: "zoo"; readonly name: string }
  | { readonly kind: "file"; readonly file: File; readonly told: ToldFacts | undefined };

/** A net in both of its forms, held by the engine. */
export interface OpenNet {
  readonly summary: NetSummary;
  readonly train: EngineNet;
  /** The same net as `train` where it came in plain form. */
  readonly plain: EngineNet;
}

/** Reads or makes a net and folds it. @throws UserError for a file that holds none. */
export async function openNet(id: string, ref: NetRef): Promise<OpenNet> {
  const train = await netFrom(ref);
  const folded = train.info.form === "plain" ? undefined : await train.fold();
  const plain = folded?.net ?? train;
  return { train, plain, summary: summarize(id, ref, train, plain, folded?.report) };
}

export function closeNet({ train, plain }: OpenNet): void {
  train.dispose();
  plain.dispose();
}

async function netFrom(ref: NetRef): Promise<EngineNet> {
  switch (ref.kind) {
    case "shipped": {
      // Fetched while the worker starts.
      const [nets, response] = await Promise.all([engine(), fetch(shippedUrl)]);
      return nets.load(await response.blob(), { name: "the CIFAR-10 net" });
    }
    case "zoo":
      return (await engine()).create(ref.name, { statistics: "seeded" });
    case "file":
      return (await engine()).load(ref.file, ref.told && loadHints(ref.told));
  }
}

function summarize(
  id: string,
  ref: NetRef,
  { info }: EngineNet,
  plain: EngineNet,
  report: FoldReport | undefined,
): NetSummary {
  const counted = info.counts;
  const layers = new Map(counted?.layers.map((layer) => [layer.path, layer]));
  const both = (number: (form: Form) => number): ByForm => ({ train: number("train"), plain: number("plain") });
  return {
    id,
    title: ref.kind === "shipped" ? "the CIFAR-10 net" : ref.kind === "zoo" ? `RepVGG-${ref.name}` : ref.file.name,
    notes: info.source.notes,
    form: info.form,
    classNames: info.notClassifying === undefined ? info.classNames : undefined,
    notClassifying: info.notClassifying,
    assumed: info.assumed,
    trained: ref.kind !== "zoo",
    inputSize: info.preprocessing?.size,
    blocks: info.blocks.map((layout) => {
      const { outputSize, macs, parameters } = layers.get(layout.path)!;
      return { ...layout, squeezeExcite: layout.squeezeExcite !== null, outputSize, macs, parameters };
    }),
    regions: info.architecture ? [] : (report?.regions ?? []),
    refusals: info.architecture ? [] : (report?.refusals ?? []),
    nodes: both((form) => (form === "train" ? info : plain.info).nodes.length),
    macs: counted?.macs,
    parameters: counted?.parameters ?? both((form) => (form === "train" ? info : plain.info).parameters),
  };
}
