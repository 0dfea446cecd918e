import { nearest, UserError } from "../core/errors.js";
import type { NamedArray, NamedArrays } from "../core/named-arrays.js";
import type { PartialPreprocessing, Preprocessing } from "../core/preprocessing.js";
import { quoted } from "../formats/array-bytes.js";
import type { Graph } from "../graph/graph.js";
import type { Architecture, Form } from "../nn/architecture.js";
import { conformState } from "../nn/check-state.js";
import { initialState } from "../nn/initialize.js";
import type { AssumedFact, Model } from "../nn/model.js";
import { defaultPreprocessing } from "../nn/repvgg.js";
import type { StateSchema } from "../nn/schema-builder.js";
import { stateSchema } from "../nn/state-schema.js";
import { toGraph } from "../nn/to-graph.js";
import { variants } from "../nn/zoo.js";
import type { ChosenEpsilon } from "./epsilon.js";
import type { NetModules } from "./module-settings.js";
import { namedArchitecture } from "./named-architecture.js";
import { type Inference, inferArchitecture } from "./names/infer-architecture.js";
import { describePlaceholders } from "./placeholders.js";
import { some } from "./sentences.js";
import type { Beside } from "./sidecar.js";
import { assumptionNotes, checkFacts, completed, type StatedFacts } from "./stated-facts.js";

/** What weights alone do not say. */
export interface ModelHints {
  /** Strides of the first block of [stage 0, stage 1, …]. Default: those of the zoo's net of this shape, else all 2. */
  readonly strides?: readonly number[];
  /** Height and width of the input. Default: the zoo's, else 224×224. */
  readonly inputSize?: readonly [height: number, width: number];
  /** How pictures are prepared where the file does not say. Default: as ImageNet's are. */
  readonly preprocessing?: PartialPreprocessing;
  /** Class names in the order of the outputs, where the file does not say them. Default: numbers. */
  readonly classNames?: readonly string[];
  /** What is known beside the file, instead of that. Default: ImageNet's preprocessing, numbered classes. @param assumed preprocessing where nothing is known */
  readonly describe?: (net: Architecture, assumed: Preprocessing) => Description;
}

/** What a net's pictures and classes are, and in sentences what was assumed. */
export interface Description {
  readonly preprocessing: Preprocessing;
  readonly classNames: readonly string[];
  /** What of both nobody said. */
  readonly assumed?: readonly AssumedFact[];
  readonly notes: readonly string[];
}

/** What a file tells beside its weights. */
export interface WeightsContext {
  /** Of the net's pictures and classes. */
  readonly said: Beside;
  readonly provenance: Readonly<Record<string, string>>;
  /** As the file or one beside it says. */
  readonly strides: readonly number[] | undefined;
  readonly modules: NetModules;
  /** Names, without the net's prefix, that no net of the scheme has: one of them may be a missing one, misspelt. */
  readonly unmatched: readonly string[];
  /** ε of the BatchNorms at these official paths; undefined where there are none. */
  readonly epsilon: (paths: readonly string[]) => ChosenEpsilon | undefined;
}

/** A RepVGG out of weights by name. */
export interface ReadWeights {
  readonly graph: Graph;
  /** Undefined for a net without classifier, or one that reads no pictures. */
  readonly model: Model | undefined;
  readonly form: Form;
  /** The batches that each BatchNorm has seen. */
  readonly counters: NamedArrays;
  /** In sentences what was assumed. */
  readonly notes: readonly string[];
  /** Official names that the net has no place for. */
  readonly leftOver: readonly string[];
}

/**
 * A net out of weights by their official names. Structure and form are read off the names and shapes; preprocessing is
 * ImageNet's and classes are numbered. Float16 and bfloat16 weights are widened. Without a classifier the net returns the output
 * of its last stage.
 * @throws UserError when weights are missing (with the nearest left-over name) or do not fit together.
 */
export function modelFromWeights(weights: NamedArrays, hints: ModelHints, context: WeightsContext): ReadWeights {
  const inference = inferArchitecture(weights);
  refuseMissing(inference, weights, context.unmatched);
  const { form, placeholders, leftOver } = inference;
  const head = inference.architecture.classes > 0;
  const notes: string[] = [];
  const named = namedArchitecture(
    inference,
    weights,
    { ...hints, ...stridesOf(hints, context, inference) },
    context.modules,
    notes,
  );
  const norms = form === "train" ? normPaths(named, weights) : [];
  const chosen = context.epsilon(norms);
  if (chosen) notes.push(chosen.note);
  const net = chosen?.epsilon === undefined ? named : { ...named, batchNormEpsilon: chosen.epsilon };
  const schema = stateSchema(net, form);
  const state = head
    ? conform(withAuxiliaryHeads(weights, schema, net, form, notes), schema)
    : conform(...withoutHeads(weights, schema));
  if ([...weights.values()].some(({ dtype }) => dtype === "f16" || dtype === "bf16")) {
    notes.push("16-bit weights were widened to float32");
  }
  const graph = toGraph({ architecture: net, form, state }, { head });
  if (placeholders.length > 0) {
    const paths = placeholders.map((path) => `${path}.rbr_reparam`);
    notes.push(describePlaceholders(graph, weights, paths));
  }
  const read = { graph, form, leftOver, counters: new Map([...state].filter(([, { dtype }]) => dtype === "i64")) };
  if (!head) {
    notes.push(`no classifier (linear.weight): the net is a backbone, which returns the map ${graph.outputs[0]!.name}`);
    return { ...read, model: undefined, notes };
  }
  if (net.inputChannels !== 1 && net.inputChannels !== 3) {
    notes.push(`the net reads ${net.inputChannels} channels, no pictures: a graph without classes`);
    return { ...read, model: undefined, notes };
  }
  const variant = variants[net.name as keyof typeof variants];
  const usual = defaultPreprocessing(net, variant, hints.inputSize);
  if (!hints.describe) checkFacts(hintedFacts(hints), usual.channels, net.classes);
  const described = hints.describe ? hints.describe(net, usual) : descriptionOf(net, usual, context.said);
  const { notes: remarks, assumed = [], ...facts } = described;
  const metadata = { ...facts, provenance: context.provenance, ...(assumed.length > 0 && { assumed }) };
  return { ...read, model: { architecture: net, form, state, metadata }, notes: [...notes, ...remarks] };
}

/** What is asked for, else what the file says, unless the weights show that it is another net's. */
function stridesOf(
  { strides: asked }: ModelHints,
  { strides: stated }: WeightsContext,
  { architecture: { strides: shown } }: Inference,
): Pick<ModelHints, "strides"> {
  if (asked) return { strides: asked };
  const fit = stated?.length === shown.length && shown.every((stride, i) => stride !== 1 || stated[i] === 1);
  return fit ? { strides: stated } : {};
}

/** @throws UserError for weights of shapes that no such net has. */
function conform(weights: NamedArrays, schema: StateSchema): NamedArrays {
  try {
    return conformState(weights, schema);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { expected, received } = error;
    const remedy = "a net that its names do not describe: export it to ONNX and fold that";
    throw new UserError({ expected: `${expected}, as the other weights say`, received, remedy }, { cause: error });
  }
}

/** Of all BatchNorms that the file has: auxiliary heads may be missing. */
function normPaths(net: Architecture, weights: NamedArrays): string[] {
  return [...stateSchema(net, "train").values()]
    .filter(({ kind, name }) => kind === "bn-var" && weights.has(name))
    .map(({ name }) => name.slice(0, -".running_var".length));
}

function withoutHeads(weights: NamedArrays, schema: StateSchema): [NamedArrays, StateSchema] {
  const own = new Map([...schema].filter(([name]) => !/^linear\.|_aux\./.test(name)));
  return [new Map([...weights].filter(([name]) => own.has(name))), own];
}

function descriptionOf(net: Architecture, usual: Preprocessing, said: Beside): Description {
  const { name, classes } = net;
  const { facts: stated, notes } = said({ name, classes });
  const { notes: unfit, ...facts } = completed(stated, usual, classes);
  return { ...facts, notes: [...notes, ...unfit, ...assumptionNotes(facts)] };
}

/** What who reads a file says of its pictures and classes. */
export function hintedFacts({ preprocessing = {}, classNames, inputSize }: ModelHints): StatedFacts {
  return {
    preprocessing: { ...(inputSize && { size: inputSize }), ...preprocessing },
    ...(classNames && { classNames }),
  };
}

function refuseMissing(
  { missing, form, leftOver: left }: Inference,
  weights: NamedArrays,
  unmatched: readonly string[],
): void {
  const [first] = missing;
  if (!first) return;
  const names = missing.map(({ name }) => name);
  const leftOver = [...left, ...unmatched];
  const near = first.nearest ?? nearest(first.name, unmatched.filter((name) => name.length < 100).slice(0, 300));
  const unplaced =
    leftOver.length > 0
      ? `, with ${some(leftOver.map(quoted))}, which ${leftOver.length === 1 ? "has" : "have"} no place`
      : "";
  throw new UserError({
    expected: `the weights of a RepVGG in ${form === "train" ? "training" : "plain"} form`,
    received: `a file without ${some(names)}${unplaced}`,
    remedy: near ? `${quoted(near)} may be ${first.name}` : reasonOf(names, weights),
  });
}

function reasonOf(missing: readonly string[], weights: NamedArrays): string {
  const unmeasured = missing.find(
    (name) => name.endsWith(".running_var") && weights.has(name.replace(/running_var$/, "weight")),
  );
  if (unmeasured) {
    return "a BatchNorm without running statistics (track_running_stats=False) depends on its batch: it cannot be folded";
  }
  return "the file may be incomplete";
}

/** The weights that the schema has. RepVGGplus checkpoints often come without the heads that only training uses. */
function withAuxiliaryHeads(
  weights: NamedArrays,
  schema: StateSchema,
  net: Architecture,
  form: Form,
  notes: string[],
): NamedArrays {
  const state = new Map<string, NamedArray>([...weights].filter(([name]) => schema.has(name)));
  const absent = [...schema.keys()].filter(
    (name) => name.includes("_aux.") && !name.endsWith("tracked") && !state.has(name),
  );
  if (absent.length === 0) return state;
  const fresh = initialState(net, form, 0);
  for (const name of absent) state.set(name, fresh.get(name)!);
  notes.push(`the file has no ${some(absent)}: these heads serve training only and begin anew`);
  return state;
}
