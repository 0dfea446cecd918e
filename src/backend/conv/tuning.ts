import { type ConvGeometry, convOutHeight, convOutWidth } from "../../core/conv-geometry.js";
import type { Backend, Pointer, Program } from "../backend.js";
import { convAlgorithms, planConvForward } from "./plan.js";
import type { ConvTarget } from "./target.js";

/** The fastest algorithm for a convolution on kernels of a kind, and the times (milliseconds) that say so. */
export interface TuningRecord {
  /** The fastest. */
  readonly algorithm: string;
  /** The best time of each algorithm, by its name. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

/** Records by kernels and geometry. Plain JSON. */
export type TuningRecords = Readonly<Record<string, TuningRecord>>;

/** Runs of each algorithm, in turn; the best counts. */
const rounds = 5;

/** In a net other layers' weights pass through the caches between two runs of a layer: copies of this many bytes stand for them. */
const cacheBytes = 16 << 20;
const mostCopies = 8;

/**
 * Chooses algorithms by measuring instead of the cost model, each geometry once. The choice decides a result's bits; it does not
 * ask for the number of threads, so that whatever was measured first holds for all.
 */
export class Tuning {
  readonly #records: Map<string, TuningRecord>;

  /** @param records of an earlier tuning; what they do not know is measured */
  constructor(records: TuningRecords = {}) {
    this.#records = new Map(Object.entries(records));
  }

  /** How many convolutions are known. */
  get size(): number {
    return this.#records.size;
  }

  /** All that is known, for another {@link Tuning} or a file. */
  get records(): TuningRecords {
    return Object.fromEntries(this.#records);
  }

  /** The fastest of the algorithms that fit for y = x ∗ w, as remembered or as measured now on `backend`. */
  algorithmOf(g: ConvGeometry, target: ConvTarget, backend: Backend): string {
    const algorithms = convAlgorithms(g, "forward", target);
    const key = `${backend.arithmetic} ${target.compactWeights ? "compact " : ""}${target.halfWeights ? "halves " : ""}${JSON.stringify(g)}`;
    const known = this.#records.get(key);
    if (known && algorithms.includes(known.algorithm)) return known.algorithm;
    const milliseconds = algorithms.length > 1 ? measured(g, target, backend, algorithms) : { [algorithms[0]!]: 0 };
    const algorithm = algorithms.reduce((a, b) => (milliseconds[b]! < milliseconds[a]! ? b : a));
    this.#records.set(key, { algorithm, milliseconds });
    return algorithm;
  }
}

/** Best time of each algorithm for one run. */
function measured(
  g: ConvGeometry,
  target: ConvTarget,
  backend: Backend,
  algorithms: readonly string[],
): Record<string, number> {
  const memory: Pointer[] = [];
  const programs = new Map<string, { readonly program: Program; readonly runs: number }>();
  const room = (words: number): Pointer => {
    const pointer = backend.allocate(words);
    memory.push(pointer);
    backend.f32(pointer, words).fill(0); // pages that were never written to are all one and the same
    return pointer;
  };
  try {
    const input = room(g.batch * g.height * g.width * g.inChannels);
    const output = room(g.batch * convOutHeight(g) * convOutWidth(g) * g.outChannels);
    for (const algorithm of algorithms) {
      const plan = planConvForward(g, target, algorithm);
      const copies = Math.min(mostCopies, Math.max(1, Math.floor(cacheBytes / (4 * plan.packedWords))));
      const workspace = room(plan.workspaceWords);
      const calls = Array.from({ length: copies }, () =>
        plan.run({ input, packed: room(plan.packedWords), output, workspace }),
      );
      programs.set(algorithm, { program: backend.compile(calls.flat()), runs: copies });
    }
    const best: Record<string, number> = {};
    for (let round = 0; round <= rounds; round++) {
      for (const [algorithm, { program, runs }] of programs) {
        const start = performance.now();
        program.run();
        const time = (performance.now() - start) / runs;
        // The first round warms up.
        if (round > 0) best[algorithm] = Math.min(time, best[algorithm] ?? Number.POSITIVE_INFINITY);
      }
    }
    return best;
  } finally {
    for (const { program } of programs.values()) program.dispose();
    for (const pointer of memory) backend.free(pointer);
  }
}
