import type { BarChart } from "./chart.js";
import { type Drawing, fitted, legend, round, seriesLooks, text, textWidth, told } from "./frame.js";
import { scaleOf } from "./scale.js";
import { plain } from "./unit.js";

const bar = { height: 16, gap: 3, categoryGap: 12 };

/** Categories stand beside their bars, in a narrow chart above them. The number stands after each bar. */
export function drawBars(chart: BarChart, width: number): Drawing {
  const { categories, series, value } = chart;
  const format = (value.unit ?? plain).format;
  const narrow = width < 500;
  const names = legend(
    series.map(({ name }) => name),
    width,
    (index, x, y) => `<rect class="f${index % seriesLooks}" x="${x - 6}" y="${y - 6}" width="12" height="12" rx="2"/>`,
  );
  const left = narrow ? 0 : Math.min(width * 0.34, Math.max(...categories.map(textWidth), 0) + 16);
  const ends = series.flatMap(({ values, ranges }) => [
    ...values.filter((number) => number !== undefined),
    ...(ranges?.flatMap((range) => range ?? []) ?? []),
  ]);
  const numberRoom = Math.max(0, ...ends.map((end) => textWidth(format(end)))) + 12;
  const room = width - left - numberRoom;
  const scale = scaleOf({ zero: true, ...value }, ends, room, Math.max(2, Math.floor(room / 110)));
  const top = names.height + 24;
  const labelHeight = narrow ? 19 : 0;
  const categoryHeight = labelHeight + series.length * (bar.height + bar.gap) - bar.gap + bar.categoryGap;
  const bottom = top + categories.length * categoryHeight;
  const at = (number: number): number => left + (scale.at(number) ?? 0);

  const grid = scale.ticks.map(
    (tick) => `<path class="grid" d="M${round(at(tick))} ${top - 6}V${round(bottom - 4)}"/>`,
  );
  const rows = categories.flatMap((category, row) => {
    const y = top + row * categoryHeight;
    const middle = y + (series.length * (bar.height + bar.gap) - bar.gap) / 2 + 4;
    const label = narrow
      ? text(0, y + 12, fitted(category, width), { look: "name" })
      : text(left - 10, middle, fitted(category, left - 16), { anchor: "end", look: "name" });
    const bars = series.map(({ name, values, ranges }, index) => {
      const number = values[row];
      if (number === undefined) return "";
      const place = y + labelHeight + index * (bar.height + bar.gap);
      const who = series.length > 1 ? `${category}, ${name}` : category;
      return oneBar(at, place, number, ranges?.[row], index, format, who);
    });
    return [label, ...bars];
  });
  const label = text(left, names.height + 10, value.label, { look: "axis" });
  return { height: bottom, body: [names.body, label, ...grid, ...rows].join("") };
}

function oneBar(
  at: (value: number) => number,
  y: number,
  value: number,
  range: readonly [number, number] | undefined,
  series: number,
  format: (value: number) => string,
  who: string,
): string {
  const [from, to] = [Math.min(at(0), at(value)), Math.max(at(0), at(value))];
  const rect = `<rect class="f${series % seriesLooks}" x="${round(from)}" y="${round(y)}" width="${round(Math.max(1, to - from))}" height="${bar.height}" rx="2"/>`;
  const end = Math.max(to, range ? at(range[1]) : 0);
  const middle = y + bar.height / 2;
  const whisker = range
    ? `<path class="whisker" d="M${round(at(range[0]))} ${middle}H${round(at(range[1]))}M${round(at(range[0]))} ${middle - 3}v6M${round(at(range[1]))} ${middle - 3}v6"/>`
    : "";
  const spread = range ? ` (${format(range[0])} to ${format(range[1])})` : "";
  return told(
    rect + whisker + text(end + 6, middle + 4, format(value), { look: "number" }),
    `${who}: ${format(value)}${spread}`,
  );
}
