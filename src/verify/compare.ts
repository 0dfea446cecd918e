import type { Finding } from "../analysis/diagnosis/finding.js";
import { inputFindings, outputFindings } from "../analysis/diagnosis/interface.js";
import type { Backend } from "../backend/backend.js";
import { ShapeError, UserError } from "../core/errors.js";
import { elementCount } from "../core/named-arrays.js";
import { engineObstacle } from "../engine/supports.js";
import { isConstant, requireOutputs } from "../exchange/graph-ends.js";
import { type Net, netOf } from "../exchange/net.js";
import { type InputShapes, inputShapes, isSizeMadeUp } from "../exchange/net-inputs.js";
import type { Graph } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import type { Model } from "../nn/model.js";
import { evaluationCost } from "./evaluation-cost.js";
import { IncomparableError } from "./incomparable.js";
import { furtherInputs, randomInputs } from "./random-inputs.js";
import { type Verification, type VerifyInput, verifyModels } from "./verify-models.js";

/** On what two nets are compared, and what counts as different. */
export interface CompareOptions {
  /**
   * Inputs to compare on. Default: all real pictures that are given, or 64 random ones (2 where the engine lacks an operator of
   * the nets and the naive evaluator runs them). Random ones are of several kinds: standard normal, pictures, large and small with
   * offsets; others are tried where an output does not depend on them.
   */
  readonly images?: number;
  /** Height and width of random inputs, where the net leaves them open. Default: the model's, else 64×64. */
  readonly inputSize?: readonly [height: number, width: number];
  /** Of the random inputs. Default 0. */
  readonly seed?: number;
  /**
   * Relative error from which outputs count as different, each output and channel by its own scale. Default 1e-4 (1e-2 for float16
   * weights), and what the reference's own rounding explains is excused; a threshold that is given is taken at its word.
   */
  readonly threshold?: number;
  /** The precision in which the candidate's weights are stored: how far its rounding may move the outputs. Default: f16 where both nets are. */
  readonly weights?: "f32" | "f16";
  /**
   * Most steps of the naive float64 evaluator (one is a multiplication or an element), which runs where the engine lacks an operator, over all images.
   * Default: any number.
   */
  readonly evaluatorSteps?: number;
  /** Judge each channel of an output by its own scale (default true), not each output as a whole. */
  readonly byChannel?: boolean;
  /** Also compare the values inside (default true): costs a second run of both nets with everything kept. */
  readonly inside?: boolean;
  /** Keep one net in kernel memory at a time (default false); for few pictures, since they are all kept. */
  readonly oneAtATime?: boolean;
}

/** Real pictures as inputs of a net, at most `batch` at a time. */
export type PictureInputs = (net: Net, batch: number) => Iterable<VerifyInput> | AsyncIterable<VerifyInput>;

/**
 * Compares the outputs of two nets on the same inputs, and the values inside by name: how far apart they are, on how
 * many inputs they name another class, and where they part.
 * @param pictures to compare on. Default: random inputs of several kinds.
 * @throws IncomparableError when the nets do not take the same inputs or do not give the same outputs (classes, maps): with the
 *   findings that say what each has.
 */
export async function compareNets(
  backend: Backend,
  reference: Model | Net,
  candidate: Model | Net,
  options: CompareOptions,
  pictures?: PictureInputs,
): Promise<Verification> {
  const { a, b, guide, shapesOf, one } = comparison(reference, candidate, options);
  const compactWeights = options.oneAtATime ?? false;
  const [obstacle] = [a, b].flatMap(
    ({ graph }) => engineObstacle(graph, renamed(one, graph), backend, { compactWeights }) ?? [],
  );
  const fast = obstacle === undefined;
  const { threshold, seed = 0, inputSize } = options;
  const { weights: precision = [a, b].every(({ graph }) => hasHalfWeights(graph)) ? "f16" : "f32" } = options;
  // What has no inputs gives the same each time.
  const samples = isConstant(guide.graph) ? 1 : (options.images ?? (fast ? 64 : 2));
  const most = batchOf(one);
  const { evaluatorSteps = Number.POSITIVE_INFINITY } = options;
  const graphs = [a, b].map(({ graph }) => bound(graph, one));
  if (obstacle && !(samples * graphs.reduce((sum, graph) => sum + evaluationCost(graph), 0) <= evaluatorSteps)) {
    throw new UserError({
      expected: "nets that the engine runs, or that the naive evaluator runs in a moment",
      received: obstacle.message,
    });
  }
  const inputs = pictures ? pictures(guide, most) : randomInputs(guide.graph, shapesOf, { samples, seed, most });
  const work = verifyModels(a.graph, b.graph, inputs, {
    ...(fast && { backend, shape: sessionShape(one) }),
    ...(threshold !== undefined && { threshold }),
    precision,
    ...(!pictures && { further: () => furtherInputs(guide.graph, one, seed) }),
    ...(options.byChannel === false && { byChannel: false }),
    ...(options.oneAtATime && { oneAtATime: true }),
    ...(options.inside === false && { values: [] }),
  });
  return isSizeMadeUp(guide, inputSize) ? work.catch(sayThatSizeIsMadeUp(one)) : work;
}

/** What {@link compareNets} would run two nets on. */
interface Comparison {
  readonly a: Net;
  readonly b: Net;
  /** The net that says most of the inputs. */
  readonly guide: Net;
  readonly shapesOf: (batch: number) => InputShapes;
  readonly one: InputShapes;
}

/** @throws IncomparableError; UserError where no inputs can be made up. */
function comparison(reference: Model | Net, candidate: Model | Net, { inputSize }: CompareOptions): Comparison {
  const [a, b] = [asNet(reference), asNet(candidate)];
  for (const { graph } of [a, b]) requireOutputs(graph);
  refuse(inputFindings(a.graph, b.graph));
  const guide = moreTelling(a, b);
  const shapesOf = (batch: number): InputShapes =>
    inputShapes(guide, batch, inputSize, guide === a ? b.graph : a.graph);
  const one = shapesOf(1);
  refuse(outputFindings(bound(a.graph, one), bound(b.graph, one)));
  return { a, b, guide, shapesOf, one };
}

/** A net that does not run on sizes that we made up may be right: the message says whose sizes they were. */
function sayThatSizeIsMadeUp(shapes: InputShapes): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ShapeError)) throw error;
    const tried = Object.entries(shapes).map(([name, shape]) => `"${name}" [${shape.join(", ")}]`);
    const size = `the net leaves its input size open, and ${tried.join(", ")} was made up: give its own with --input-size`;
    const { expected, received, remedy } = error;
    throw new UserError({ expected, received, remedy: [remedy, size].filter(Boolean).join("; ") }, { cause: error });
  };
}

function hasHalfWeights({ initializers }: Graph): boolean {
  return [...initializers.values()].some(({ dtype, shape }) => dtype === "f16" && shape.length >= 2);
}

/** Pictures at a time: 32, fewer where they are so large that activations would take much memory. */
function batchOf(shapesOfOne: InputShapes): number {
  const pixels = Math.max(...Object.values(shapesOfOne).map((shape) => elementCount(shape.slice(2))));
  return Math.max(1, Math.min(32, Math.floor(2 ** 19 / pixels)));
}

function asNet(net: Model | Net): Net {
  return "graph" in net ? net : netOf(net);
}

/** The one that knows its preprocessing; else the one that is a model; else the reference. */
function moreTelling(a: Net, b: Net): Net {
  return [a, b].find(({ source }) => source.format === "repvgg") ?? [a, b].find(({ model }) => model) ?? a;
}

/** One shape where there is one input: the two nets may name it differently. */
function sessionShape(shapes: InputShapes): InputShapes | readonly number[] {
  const all = Object.values(shapes);
  return all.length === 1 ? all[0]! : shapes;
}

/** Shapes of the guide's inputs under the names of another graph's, by place. */
function renamed(shapes: InputShapes, graph: Graph): InputShapes {
  const all = Object.values(shapes);
  return Object.fromEntries(graphInputs(graph).map(({ name }, i) => [name, shapes[name] ?? all[i]!]));
}

/** The graph with its inputs of given sizes. */
function bound(graph: Graph, shapes: InputShapes): Graph {
  const own = renamed(shapes, graph);
  return {
    ...graph,
    inputs: graph.inputs.map((input) => (own[input.name] ? { ...input, shape: own[input.name] } : input)),
  };
}

/** @throws IncomparableError where there is a finding. */
function refuse(findings: readonly Finding[]): void {
  if (findings.length > 0) throw new IncomparableError(findings);
}
