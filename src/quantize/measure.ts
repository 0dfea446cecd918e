import type { Graph } from "../graph/graph.js";
import { type CalibrationPictures, type GraphRunner, runOver } from "./runner.js";
import { decibels } from "./scales.js";
import { counted } from "./statistics.js";

/** How near a quantized net is to the float one on the calibration pictures. Plain JSON. */
export interface Measured {
  /** Σ (float − quantized)² / Σ float², the mean over the outputs. */
  readonly noise: number;
  /** The same as signal to noise, decibels. */
  readonly decibels: number;
  /** Of a classifier: share of the pictures whose likeliest class is the float net's. */
  readonly agreement?: number;
  /** Of a classifier with labelled pictures: share of right answers. */
  readonly top1?: number;
}

/** The output in which classes are told. */
export interface ClassOutput {
  readonly name: string;
  readonly classes: number;
}

/** Numbers of outputs that are kept: of larger ones fewer pictures are compared. */
const mostKept = 2 ** 26;

/** What the float net gives on the pictures, to compare with. */
export class Reference {
  readonly #outputs: ReadonlyMap<string, Float32Array>[] = [];
  /** The pictures that are compared. */
  readonly pictures: CalibrationPictures;
  /** Of the float net itself. */
  readonly top1: number | undefined;

  constructor(
    private readonly runner: GraphRunner,
    graph: Graph,
    all: CalibrationPictures,
    private readonly classes: ClassOutput | undefined,
  ) {
    let kept = 0;
    let batches = 0;
    const score = new Score(classes);
    runOver(runner, graph, all, (values, batch) => {
      if (kept > mostKept) return;
      const own = graph.outputs.map(({ name }) => [name, counted(values[name]!, batch.size).data.slice()] as const);
      this.#outputs.push(new Map(own));
      kept += own.reduce((sum, [, { length }]) => sum + length, 0);
      batches++;
      if (classes) score.add(values[classes.name]!.data, undefined, batch.labels, batch.size);
    });
    const used = all.batches.slice(0, batches);
    this.pictures = { ...all, batches: used, count: used.reduce((sum, { size }) => sum + size, 0) };
    this.top1 = score.result().top1;
  }

  /** Runs another form of the net on the same pictures. */
  measure(graph: Graph): Measured {
    const signal = new Map<string, number>();
    const noise = new Map<string, number>();
    const score = new Score(this.classes);
    runOver(this.runner, graph, this.pictures, (values, batch, index) => {
      for (const [name, right] of this.#outputs[index]!) {
        const { data } = values[name]!;
        let [one, two] = [0, 0];
        for (let i = 0; i < right.length; i++) {
          one += right[i]! * right[i]!;
          two += (right[i]! - data[i]!) ** 2;
        }
        signal.set(name, (signal.get(name) ?? 0) + one);
        noise.set(name, (noise.get(name) ?? 0) + two);
      }
      const { classes } = this;
      if (classes)
        score.add(values[classes.name]!.data, this.#outputs[index]!.get(classes.name), batch.labels, batch.size);
    });
    const parts = [...signal].map(([name, sum]) => (sum > 0 ? noise.get(name)! / sum : noise.get(name)!));
    const mean = parts.reduce((a, b) => a + b, 0) / Math.max(1, parts.length);
    return { noise: mean, decibels: decibels(1, mean), ...score.result() };
  }
}

class Score {
  #pictures = 0;
  #labelled = 0;
  #same = 0;
  #right = 0;
  #compared = false;

  constructor(private readonly output: ClassOutput | undefined) {}

  add(data: Float32Array, right: Float32Array | undefined, labels: Int32Array | undefined, size: number): void {
    const { classes } = this.output!;
    for (let i = 0; i < size; i++) {
      const own = likeliest(data, i * classes, classes);
      this.#pictures++;
      if (right) {
        this.#compared = true;
        if (own === likeliest(right, i * classes, classes)) this.#same++;
      }
      if (labels) {
        this.#labelled++;
        if (own === labels[i]) this.#right++;
      }
    }
  }

  result(): Pick<Measured, "agreement" | "top1"> {
    return {
      ...(this.#compared && { agreement: this.#same / this.#pictures }),
      ...(this.#labelled > 0 && { top1: this.#right / this.#labelled }),
    };
  }
}

function likeliest(data: Float32Array, from: number, classes: number): number {
  let best = 0;
  for (let c = 1; c < classes; c++) if (data[from + c]! > data[from + best]!) best = c;
  return best;
}
