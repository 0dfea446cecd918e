import type { Model } from "../nn/model.js";
import { type Net, netOf } from "./net.js";
import { onnxMetadata } from "./onnx-facts.js";
import { statedFacts } from "./picture-input.js";
import {
  checkFacts,
  completed,
  factsMetadata,
  firstStated,
  modelFactsStated,
  type StatedFacts,
} from "./stated-facts.js";

/**
 * The net with what somebody says of its pictures and classes, whatever its file says.
 * @throws UserError for what cannot be of this net
 */
export function withFacts(net: Net, facts: StatedFacts): Net {
  if (isNothing(facts)) return net;
  if (net.model) {
    const model = modelWithFacts(net.model, facts);
    const before = netOf(net.model).source.notes;
    const notes = [...net.source.notes.filter((note) => !before.includes(note)), ...netOf(model).source.notes];
    return { ...net, model, source: { ...net.source, notes } };
  }
  const stated = firstStated(facts, statedFacts(net));
  if (!net.envelope) return { ...net, stated };
  const metadata = { ...onnxMetadata(net.envelope), ...factsMetadata(stated) };
  const metadataProps = Object.entries(metadata).map(([key, value]) => ({ key, value }));
  return { ...net, envelope: { ...net.envelope, metadataProps } };
}

/** The net with what is asked for where its file says nothing. */
export function withHints(net: Net, asked: StatedFacts): Net {
  const { preprocessing, classNames } = statedFacts(net);
  const unsaid = Object.entries(asked.preprocessing).filter(([field]) => !(field in preprocessing));
  return withFacts(net, {
    preprocessing: Object.fromEntries(unsaid),
    ...(asked.classNames && !classNames && { classNames: asked.classNames }),
  });
}

function modelWithFacts(model: Model, facts: StatedFacts): Model {
  const { architecture, metadata } = model;
  checkFacts(facts, architecture.inputChannels, architecture.classes);
  const stated = firstStated(facts, modelFactsStated(model));
  const { assumed, preprocessing, classNames } = completed(stated, metadata.preprocessing, architecture.classes);
  const { provenance } = metadata;
  return {
    ...model,
    metadata: { classNames, preprocessing, provenance, ...(assumed.length > 0 && { assumed }) },
  };
}

function isNothing({ preprocessing, classNames }: StatedFacts): boolean {
  return classNames === undefined && Object.keys(preprocessing).length === 0;
}
