import { UserError } from "../../core/errors.js";
import type { NamedArray, NamedArrays } from "../../core/named-arrays.js";
import type { Preprocessing } from "../../core/preprocessing.js";
import { quoted } from "../../formats/array-bytes.js";
import { type Inference, inferArchitecture } from "../../formats/names/infer-architecture.js";
import type { Architecture, Form } from "../../nn/architecture.js";
import { architecture, checkArchitecture } from "../../nn/build-architecture.js";
import { conformState } from "../../nn/check-state.js";
import { initialState } from "../../nn/initialize.js";
import type { Model } from "../../nn/model.js";
import { defaultPreprocessing } from "../../nn/repvgg.js";
import type { StateSchema } from "../../nn/schema-builder.js";
import { stateSchema } from "../../nn/state-schema.js";
import { variants } from "../../nn/zoo.js";
import { knownVariant } from "./known-variant.js";
import { some } from "./sentences.js";

/** What weights alone do not say. */
export interface ModelHints {
  /** Strides of the first block of [stage 0, stage 1, …]. Default: those of the zoo's net of this shape, else all 2. */
  readonly strides?: readonly number[];
  /** Height and width of the input. Default: the zoo's, else 224×224. */
  readonly inputSize?: readonly [height: number, width: number];
  /** What is known beside the file. Default: ImageNet's preprocessing, numbered classes. @param assumed preprocessing where nothing is known */
  readonly describe?: (net: Architecture, assumed: Preprocessing) => Description;
}

/** What a net's pictures and classes are, and in sentences what was assumed. */
export interface Description {
  readonly preprocessing: Preprocessing;
  readonly classNames: readonly string[];
  readonly notes: readonly string[];
}

/**
 * A model out of weights by their official names. Structure and form are read off the names and shapes; preprocessing is
 * ImageNet's and classes are numbered. Float16 and bfloat16 weights are widened.
 * @returns the model, and in sentences what was assumed or left over.
 * @throws UserError when weights are missing (with the nearest left-over name) or do not fit together.
 */
export function modelFromWeights(
  weights: NamedArrays,
  hints: ModelHints = {},
): { readonly model: Model; readonly notes: readonly string[] } {
  const inference = inferArchitecture(weights);
  refuseMissing(inference);
  const { form } = inference;
  const notes: string[] = [];
  const net = namedArchitecture(inference.architecture, hints, notes);
  const variant = net.name === "custom" ? undefined : variants[net.name as keyof typeof variants];
  const schema = stateSchema(net, form);
  if (inference.leftOver.length > 0) notes.push(`left out ${some(inference.leftOver)}: the net has no place for them`);
  const state = conformState(withAuxiliaryHeads(weights, schema, net, form, notes), schema);
  if ([...weights.values()].some(({ dtype }) => dtype === "f16" || dtype === "bf16")) {
    notes.push("16-bit weights were widened to float32");
  }
  const assumed = defaultPreprocessing(net, variant, hints.inputSize);
  const described = (hints.describe ?? undescribed)(net, assumed);
  const { preprocessing, classNames } = described;
  return {
    model: { architecture: net, form, state, metadata: { classNames, preprocessing, provenance: {} } },
    notes: [...notes, ...described.notes],
  };
}

function undescribed(net: Architecture, assumed: Preprocessing): Description {
  const { size, mean, std } = assumed;
  return {
    preprocessing: assumed,
    classNames: Array.from({ length: net.classes }, (_, i) => String(i)),
    notes: [
      `the file does not say how pictures are prepared: assumed ${size.join("×")}, mean ${mean.join(", ")}, std ${std.join(", ")}; classes are numbered`,
    ],
  };
}

function refuseMissing({ missing, form }: Inference): void {
  const [first] = missing;
  if (!first) return;
  throw new UserError({
    expected: `the weights of a RepVGG in ${form === "train" ? "training" : "plain"} form`,
    received: `a file without ${some(missing.map(({ name }) => name))}`,
    remedy: first.nearest ? `${quoted(first.nearest)} may be ${first.name}` : "the file may be incomplete",
  });
}

function namedArchitecture(inferred: Architecture, { strides }: ModelHints, notes: string[]): Architecture {
  const name = knownVariant(inferred);
  const { classes, inputChannels } = inferred;
  const net = name ? architecture(name, { classes, inputChannels }) : inferred;
  // An identity branch shows stride 1; where the zoo's net disagrees, the file is right.
  const seen = inferred.strides.map((stride, stage) => (stride === 1 ? 1 : net.strides[stage]!));
  const chosen = strides ?? seen;
  if (!strides) {
    notes.push(
      `weights do not show strides: assumed ${chosen.join(", ")}${name ? `, as ${name} has them` : ""} (first block of each stage)`,
    );
  }
  const same = chosen.join() === net.strides.join();
  const result: Architecture = { ...net, name: name && same ? name : "custom", strides: chosen };
  checkArchitecture(result);
  return result;
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
