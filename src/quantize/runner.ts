import type { Graph } from "../graph/graph.js";

/** A value as it is run: row-major, images NCHW or as the graph has them. */
export interface RunValue {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Values by name. */
export type RunValues = Readonly<Record<string, RunValue>>;

/** What runs graphs, handed in by who has an engine: the quantizer knows none. */
export interface GraphRunner {
  /** Makes a graph ready for inputs of these shapes; every run may have another batch. */
  open(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): RunningGraph;
}

/** A graph that is ready to run. */
export interface RunningGraph {
  run(inputs: RunValues): RunValues;
  dispose(): void;
}

/** Pictures to calibrate on, as inputs of the graph. They are made when they are asked for: a batch at a time is in memory. */
export interface CalibrationPictures {
  /** Of the graph's input. */
  readonly inputName: string;
  /** Number of pictures. */
  readonly count: number;
  /** One batch after another, the same ones each time. */
  readonly batches: readonly CalibrationBatch[];
}

/** Some pictures. */
export interface CalibrationBatch {
  /** In the graph's layout, prepared as it wants them. */
  readonly input: () => RunValue;
  /** Pictures in it that count: an input of a fixed batch may be filled up. */
  readonly size: number;
  /** Class of each, where the pictures have the net's classes. */
  readonly labels: Int32Array | undefined;
}

/** Runs a graph over all batches. The values that `each` is given are valid until it returns. */
export function runOver(
  runner: GraphRunner,
  graph: Graph,
  { batches, inputName }: CalibrationPictures,
  each: (values: RunValues, batch: CalibrationBatch, index: number) => void,
): void {
  const first = batches[0];
  if (!first) return;
  const running = runner.open(graph, { [inputName]: first.input().shape });
  try {
    batches.forEach((batch, index) => {
      each(running.run({ [inputName]: batch.input() }), batch, index);
    });
  } finally {
    running.dispose();
  }
}

/** The graph with other values as its outputs, and what they do not need left out. */
export function withOutputs(graph: Graph, names: readonly string[]): Graph {
  const wanted = new Set(names);
  const nodes = [...graph.nodes].reverse().filter((node) => {
    if (!node.outputs.some((output) => wanted.has(output))) return false;
    for (const input of node.inputs) wanted.add(input);
    return true;
  });
  const outputs = [...new Set(names)].map((name) => ({ name, dtype: "f32" as const, shape: undefined }));
  return { ...graph, nodes: nodes.reverse(), outputs };
}
