import type { Backend, Pointer } from "../backend/backend.js";
import type { ConvTarget } from "../backend/conv/plan.js";
import type { Tuning } from "../backend/conv/tuning.js";
import type { ConvGeometry } from "../core/conv-geometry.js";
import { ShapeError, UserError } from "../core/errors.js";
import { elementCount } from "../core/named-arrays.js";
import { quantile } from "../core/statistics.js";
import { isInteger } from "../graph/evaluate/tensor64.js";
import type { Graph, ValueInfo } from "../graph/graph.js";
import { graphInputs } from "../graph/graph-inputs.js";
import { validate } from "../graph/validate.js";
import { writeBytes } from "../integer/byte-values.js";
import { ConstantStore } from "./constant-store.js";
import type { Port } from "./plan/plan.js";
import type { PlanReport, StepReport } from "./plan/report.js";
import { type Executable, PlanCache } from "./plan-cache.js";
import { planOf } from "./plan-of.js";
import {
  checkNumbers,
  isNumbers,
  isTensor,
  type SessionInput,
  type SessionInputTensor,
  type SessionTensor,
  type SessionValue,
} from "./session-values.js";

export type {
  SessionInput,
  SessionInputTensor,
  SessionNumbers,
  SessionTensor,
  SessionValue,
} from "./session-values.js";

/** Values by output name. */
export type SessionOutputs = Readonly<Record<string, SessionTensor>>;

/** How a graph is made ready to run. */
export interface SessionOptions {
  /** Kernels and threads to run on. Several sessions may share one. */
  readonly backend: Backend;
  /** Called when the session is disposed of: for what belongs to it alone, such as its backend. */
  readonly onDispose?: () => void;
  /** Shape of the input (of each input by name). Needed where the graph leaves a size open other than the batch's, which is 1 then. */
  readonly shape?: readonly number[] | Readonly<Record<string, readonly number[]>>;
  /** Inner values to return beside the outputs, by value name. */
  readonly features?: readonly string[];
  /**
   * Fold BatchNormalization into the weights of the convolution before it (default true). False keeps it a step of
   * its own, as in training form: for an honest comparison of the two forms.
   */
  readonly fuseBatchNorm?: boolean;
  /**
   * Keep no weights in a form that is larger than they are themselves (default false). Native kernels keep Winograd's points, 4
   * times as large, which pays only where the session runs often; WebAssembly makes them anew each time.
   */
  readonly compactWeights?: boolean;
  /**
   * Keep the weights of convolutions as float16 (default false): half the memory, and at batch 1 up to a
   * sixth less time. Products and sums stay float32; logits differ by about a thousandth of the largest. Needs native kernels, and
   * weights up to 2,048.
   */
  readonly halfWeights?: boolean;
  /**
   * A picture's numbers have the same bits whatever the batch that it comes in (default false): convolutions by the algorithms
   * that suit one picture, where larger batches might have faster ones. With `tuning`, that decides.
   */
  readonly batchInvariant?: boolean;
  /**
   * Algorithms as measured on this machine, each convolution once for all sessions that share the tuning; default: those that the
   * cost model finds fastest. Which one it is shows in the last bits of the results.
   */
  readonly tuning?: Tuning;
  /** Input shapes whose plans are kept ready (default 4). */
  readonly maxPlans?: number;
}

/** Measured time of one step. */
export interface StepProfile extends StepReport {
  /** Median milliseconds. */
  readonly milliseconds: number;
}

/** A graph made ready to run. Not reentrant; `run` returns when the result is there. */
export interface Session {
  /** What the graph reads. */
  readonly inputNames: readonly string[];
  /** What it gives, asked-for features included. */
  readonly outputNames: readonly string[];
  /** @throws ShapeError for inputs that do not fit the graph. */
  run(input: SessionInput): SessionOutputs;
  /**
   * As {@link run}, into arrays of the caller's: no buffer is allocated where the plan for the input's shape is ready.
   * @throws ShapeError when an array has not the output's size.
   */
  runInto(input: SessionInput, outputs: Readonly<Record<string, Float32Array>>): void;
  /** Time of each step: medians of `repeats` runs (default 5), each on `input` (default zeros of the session's shape). */
  profile(options?: { readonly input?: SessionInput; readonly repeats?: number }): readonly StepProfile[];
  /** The plan for inputs of `shape` (default: the session's) in numbers. */
  plan(shape?: SessionOptions["shape"]): PlanReport;
  /** Frees all kernel memory of the session. Idempotent; any later call throws. */
  dispose(): void;
}

/**
 * Plans a graph, packs its weights and makes it ready to run.
 * @throws UserError where the graph has an operator that the engine lacks, or memory is exhausted.
 */
export function createSession(graph: Graph, options: SessionOptions): Session {
  return new GraphSession(graph, options);
}

type Shapes = Readonly<Record<string, readonly number[]>>;

class GraphSession implements Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #backend: Backend;
  readonly #onDispose: (() => void) | undefined;
  readonly #defaultShapes: Shapes;
  readonly #plans: PlanCache;
  #disposed = false;

  constructor(graph: Graph, options: SessionOptions) {
    const { backend, features = [], fuseBatchNorm = true, tuning, maxPlans = 4 } = options;
    const { compactWeights = false, halfWeights = false, batchInvariant = false } = options;
    if (halfWeights && !backend.readsHalves) {
      throw new UserError({
        expected: "kernels that read float16 weights",
        received: backend.name,
        remedy: "leave halfWeights out, or use native kernels of AVX2, AVX-512 or ARM",
      });
    }
    if (!(maxPlans >= 1)) throw new UserError({ expected: "maxPlans of at least 1", received: String(maxPlans) });
    this.#backend = backend;
    this.#onDispose = options.onDispose;
    validate(graph);
    this.inputNames = graphInputs(graph).map((input) => input.name);
    this.#defaultShapes = defaultShapes(graph, options.shape);
    const tuned =
      tuning && ((geometry: ConvGeometry, target: ConvTarget) => tuning.algorithmOf(geometry, target, backend));
    const planOptions = { backend, features, fuseBatchNorm, compactWeights, halfWeights, batchInvariant, tuned };
    const build = (inputShapes: Shapes) => planOf(graph, { inputShapes, ...planOptions });
    this.#plans = new PlanCache(backend, new ConstantStore(backend), build, maxPlans);
    try {
      this.outputNames = this.#plans.get(this.#defaultShapes).plan.outputs.map((port) => port.name);
    } catch (error) {
      this.#plans.dispose();
      throw error;
    }
  }

  run(input: SessionInput): SessionOutputs {
    const executable = this.#execute(input);
    return Object.fromEntries(
      executable.plan.outputs.map((port) => [port.name, this.#read(executable.arena + port.offset, port)]),
    );
  }

  runInto(input: SessionInput, outputs: Readonly<Record<string, Float32Array>>): void {
    const executable = this.#execute(input);
    for (const port of executable.plan.outputs) {
      const target = outputs[port.name];
      if (target === undefined) continue;
      if (port.counted) {
        throw new UserError({
          expected: "outputs of one size",
          received: `"${port.name}", whose size depends on what is computed`,
          remedy: "use run()",
        });
      }
      if (target.length !== port.words) {
        throw new ShapeError({
          expected: `an array of ${port.words} numbers for output "${port.name}" [${port.shape}]`,
          received: `one of ${target.length}`,
        });
      }
      target.set(this.#backend.f32(executable.arena + port.offset, port.words));
    }
  }

  profile({ input, repeats = 5 }: { input?: SessionInput; repeats?: number } = {}): readonly StepProfile[] {
    this.#checkAlive();
    const values = this.#values(input ?? zeros(this.#defaultShapes));
    const executable = this.#plans.get(shapesOfValues(values));
    const programs = executable.compileSteps();
    try {
      const times = programs.map((): number[] => []);
      for (let repeat = 0; repeat <= repeats; repeat++) {
        this.#write(executable, values);
        programs.forEach((program, index) => {
          const start = performance.now();
          program.run();
          if (repeat > 0) times[index]!.push(performance.now() - start); // the first warms up
        });
      }
      return executable.plan.report.steps.map((step, index) => ({
        ...step,
        milliseconds: quantile(times[index]!, 0.5),
      }));
    } finally {
      for (const program of programs) program.dispose();
    }
  }

  plan(shape?: SessionOptions["shape"]): PlanReport {
    this.#checkAlive();
    return this.#plans.get(shape ? namedShapes(this.inputNames, shape) : this.#defaultShapes).plan.report;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#plans.dispose();
    this.#onDispose?.();
  }

  #execute(input: SessionInput): Executable {
    this.#checkAlive();
    const values = this.#values(input);
    const executable = this.#plans.get(shapesOfValues(values));
    this.#write(executable, values);
    executable.run();
    return executable;
  }

  #read(at: Pointer, { shape, words, counted }: Port): SessionTensor {
    if (!counted) return { shape, data: this.#backend.f32(at, words).slice() };
    const [most, ...sizes] = shape as [number, ...number[]];
    const count = this.#backend.f32(at + words, 1)[0]!;
    return { shape: [count, ...sizes], data: this.#backend.f32(at, (words / most) * count).slice() };
  }

  #write(executable: Executable, values: ReadonlyMap<string, SessionInputTensor>): void {
    for (const port of executable.plan.inputs) {
      const { data, shape } = values.get(port.name)!;
      const at = executable.arena + port.offset;
      if (isInteger(port.dtype) || !(data instanceof Float32Array)) checkNumbers(port, data);
      if (port.bytes) writeBytes(this.#backend.u8(at, 4 * port.words), { shape, dtype: port.bytes }, data);
      else this.#backend.f32(at, port.words).set(data);
    }
  }

  #values(input: SessionInput): Map<string, SessionInputTensor> {
    const single = isNumbers(input) || isTensor(input);
    if (single && this.inputNames.length !== 1) {
      throw new UserError({
        expected: `inputs by name (${this.inputNames.join(", ")})`,
        received: "one array",
      });
    }
    const byName = single ? { [this.inputNames[0]!]: input } : input;
    return new Map(this.inputNames.map((name) => [name, this.#value(name, byName[name])]));
  }

  #value(name: string, value: SessionValue | undefined): SessionInputTensor {
    if (value === undefined) {
      throw new UserError({ expected: `a value for input "${name}"`, received: "none" });
    }
    const shape = this.#defaultShapes[name]!;
    if (!isNumbers(value)) {
      if (value.data.length === elementCount(value.shape)) return value;
      throw new ShapeError({
        expected: `${elementCount(value.shape)} numbers for input "${name}" of shape [${value.shape}]`,
        received: `${value.data.length}`,
      });
    }
    const image = elementCount(shape.slice(1));
    if (value.length === 0 || value.length % image !== 0) {
      throw new ShapeError({
        expected: `images of ${image} numbers [${shape.slice(1)}] for input "${name}"`,
        received: `${value.length} numbers`,
        remedy: "give { shape, data } for another image size",
      });
    }
    return { shape: [value.length / image, ...shape.slice(1)], data: value };
  }

  #checkAlive(): void {
    if (this.#disposed) throw new Error("the session has been disposed");
  }
}

function shapesOfValues(values: ReadonlyMap<string, SessionInputTensor>): Shapes {
  return Object.fromEntries([...values].map(([name, { shape }]) => [name, shape]));
}

function zeros(shapes: Shapes): Record<string, SessionTensor> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { shape, data: new Float32Array(elementCount(shape)) }]),
  );
}

function defaultShapes(graph: Graph, shape: SessionOptions["shape"]): Shapes {
  const inputs = graphInputs(graph);
  if (shape)
    return namedShapes(
      inputs.map((input) => input.name),
      shape,
    );
  return Object.fromEntries(inputs.map((input) => [input.name, declaredShape(input)]));
}

function namedShapes(inputNames: readonly string[], shape: NonNullable<SessionOptions["shape"]>): Shapes {
  if (isSingleShape(shape)) {
    if (inputNames.length === 1) return { [inputNames[0]!]: shape };
    throw new UserError({ expected: `shapes by input name (${inputNames.join(", ")})`, received: `[${shape}]` });
  }
  const named = inputNames.map((name) => {
    const one = shape[name];
    if (one) return [name, one] as const;
    throw new UserError({ expected: `a shape for input "${name}"`, received: Object.keys(shape).join(", ") || "none" });
  });
  return Object.fromEntries(named);
}

function isSingleShape(shape: NonNullable<SessionOptions["shape"]>): shape is readonly number[] {
  return Array.isArray(shape);
}

/** The shape that the graph states, an open batch being 1. */
function declaredShape({ name, shape }: ValueInfo): readonly number[] {
  return (shape ?? ["?"]).map((size, axis) => {
    if (typeof size === "number") return size;
    if (axis === 0 && shape) return 1;
    throw new UserError({
      expected: `the shape of input "${name}"`,
      received: shape ? `[${shape.join(", ")}]` : "no shape in the graph",
      remedy: "give the session's shape, as [1, 3, 224, 224]",
    });
  });
}
