import type { EngineResult, Noise } from "./results.js";
import { type BenchResult, noiseLimits } from "./results.js";

/** Header of {@link benchRows}. */
export const benchHead = [
  "net",
  "threads",
  "batch",
  "engine",
  "ms",
  "quartiles",
  "img/s",
  "× ours",
  "load ms",
  "peak MiB",
];

/** A row for each engine of each task. */
export function benchRows(results: readonly BenchResult[]): string[][] {
  return results.flatMap(({ model, threads, batch, engines }) =>
    engines.map((result, i) => [...(i === 0 ? [model, `${threads}`, `${batch}`] : ["", "", ""]), ...cells(result)]),
  );
}

function cells(result: EngineResult): string[] {
  const { engine, description, times, absent } = result;
  const name = engine === description || !description ? engine : `${engine} (${version(engine, description)})`;
  if (!times) return [name, absent ?? "", "", "", "", "", ""];
  const { median, lowerQuartile, upperQuartile } = times;
  return [
    name,
    three(median),
    `${three(lowerQuartile)}–${three(upperQuartile)}`,
    three(result.imagesPerSecond!),
    result.agrees ? result.ratio!.toFixed(2) : "void: other outputs",
    result.loadMilliseconds!.toFixed(0),
    (result.peakBytes! / 2 ** 20).toFixed(0),
  ];
}

/** Three significant digits, without an exponent. */
function three(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** What a description says beyond the engine's name. */
function version(engine: string, description: string): string {
  return description.startsWith(`${engine} `) ? description.slice(engine.length + 1) : description;
}

/** A sentence where the machine was not quiet. */
export function describeNoise({ loadAverage, widestSpread, noisy }: Noise): string {
  const facts = `load average ${loadAverage.toFixed(2)} before, widest spread of quartiles ${(100 * widestSpread).toFixed(0)} %`;
  const limits = `limits ${noiseLimits.loadAverage} and ${100 * noiseLimits.spread} %`;
  return noisy ? `noisy machine: ${facts} (${limits}); repeat this when it is idle` : `quiet machine: ${facts}`;
}
