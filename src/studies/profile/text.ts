import type { FormMemory } from "../../analysis/profile/form-memory.js";
import { layerNames } from "../../analysis/profile/layers.js";
import type { BackendProfile, LayerProfile } from "../../analysis/profile/profile.js";
import { byteSize, shortNumber, wholeCount } from "../../core/format.js";
import type { MemoryUse } from "./memory-use.js";

/** Header and rows of a table for a terminal. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What each layer costs, the forms side by side. */
export function costsText({ forms }: BackendProfile): TextTable {
  const columns: readonly [string, (costs: Omit<LayerProfile, "layer" | "algorithms" | "outputShape">) => string][] = [
    ["parameters", (c) => wholeCount(c.parameters)],
    ["MACs", (c) => millions(c.macs)],
    ["Winograd", (c) => millions(c.winogradMultiplications)],
    ["moved", (c) => byteSize(c.bytesRead + c.bytesWritten)],
    ["op/byte", (c) => shortNumber(c.intensity)],
    ["alive", (c) => byteSize(c.liveBytes)],
  ];
  const row = (name: string, found: readonly (Parameters<(typeof columns)[0][1]>[0] | undefined)[]): string[] => [
    name,
    ...columns.flatMap(([, cell]) => found.map((costs) => (costs ? cell(costs) : "–"))),
  ];
  return {
    head: ["layer", ...columns.flatMap(([head]) => forms.map((_, i) => (i === 0 ? head : "→")))],
    rows: [
      ...layerNames(forms).map((name) =>
        row(
          name,
          forms.map(({ layers }) => layers.find(({ layer }) => layer === name)),
        ),
      ),
      row(
        "all",
        forms.map(({ total }) => total),
      ),
    ],
  };
}

/** How long each layer takes on one kind of kernels, the forms side by side. */
export function timesText({ forms }: BackendProfile): TextTable {
  const compared = forms.length > 1;
  const cells = (layer: LayerProfile | undefined): string[] =>
    layer
      ? [layer.algorithms.join("+"), shortNumber(layer.milliseconds), shortNumber(layer.gigaflops), roof(layer)]
      : ["–", "", "", ""];
  const ratio = (a: { milliseconds: number } | undefined, b: { milliseconds: number } | undefined): string[] =>
    compared ? [a && b ? (a.milliseconds / b.milliseconds).toFixed(2) : ""] : [];
  return {
    head: ["layer", ...forms.flatMap(({ form }) => [form, "ms", "GFLOP/s", "of roof"]), ...(compared ? ["×"] : [])],
    rows: [
      ...layerNames(forms).map((name) => {
        const found = forms.map(({ layers }) => layers.find(({ layer }) => layer === name));
        return [name, ...found.flatMap(cells), ...ratio(found[0], found[1])];
      }),
      [
        "all steps",
        ...forms.flatMap(({ total }) => [
          "",
          shortNumber(total.milliseconds),
          shortNumber(total.gigaflops),
          roof(total),
        ]),
        ...ratio(forms[0]?.total, forms[1]?.total),
      ],
    ],
  };
}

/** "87 %m": 87 % of what the roof allows, which is the memory's here. */
function roof({ ofRoof, bound }: Pick<LayerProfile, "ofRoof" | "bound">): string {
  return `${Math.round(100 * ofRoof)} %${bound === "memory" ? "m" : " "}`;
}

function millions(count: number): string {
  return `${(count / 1e6).toFixed(1)} M`;
}

/** Memory planned and really used, where that was measured. */
export function usedText(used: readonly MemoryUse[]): TextTable {
  const off = (planned: number, real: number): string => `${(100 * (real / planned - 1)).toFixed(1)} %`;
  return {
    head: ["form", "planned peak", "arena", "written", "off", "planned a picture", "process grew", "off"],
    rows: used.map(({ form, plannedBytes, arenaBytes, writtenBytes, growth }) => [
      form,
      ...[plannedBytes, arenaBytes, writtenBytes].map(byteSize),
      off(arenaBytes, writtenBytes),
      ...(growth
        ? [byteSize(growth.plannedBytes), byteSize(growth.usedBytes), off(growth.plannedBytes, growth.usedBytes)]
        : ["–", "–", "–"]),
    ]),
  };
}

const eighths = ["", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/**
 * Live activations over a run as columns of block characters, one or more a layer, all forms on one scale.
 * @param height lines of each plot
 * @param width columns at most
 */
export function memoryText(memory: readonly FormMemory[], height = 4, width = 72): string[] {
  const layers = [...new Set(memory.flatMap(({ points }) => points.map(({ layer }) => layer)))];
  const perLayer = Math.max(1, Math.min(3, Math.floor(width / layers.length)));
  const most = Math.max(1, ...memory.map(({ peakActivationBytes }) => peakActivationBytes));
  return memory.flatMap(({ form, points, peakActivationBytes, peakKeptBytes, peakStep }) => {
    const levels = layers.flatMap((layer) => {
      const own = points.filter((point) => point.layer === layer).map(({ activationBytes }) => activationBytes);
      return columnsOf(own, perLayer).map((value) => (value / most) * height * 8);
    });
    const lines = Array.from({ length: height }, (_, line) => {
      const below = (height - 1 - line) * 8;
      return levels.map((level) => eighths[Math.max(0, Math.min(8, Math.round(level - below)))] || " ").join("");
    });
    const words = `${form}: peak ${byteSize(peakActivationBytes)} at ${peakStep ?? "–"}, ${byteSize(peakKeptBytes)} kept between steps`;
    return [words, ...lines.map((line) => line.trimEnd())].filter((line) => line !== "");
  });
}

/** Values spread over so many columns; where there are fewer columns, the largest of each share. */
function columnsOf(values: readonly number[], columns: number): number[] {
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * values.length) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * values.length) / columns));
    return Math.max(0, ...values.slice(from, to));
  });
}
