import type { DotChart, DotRow } from "./chart.js";
import { type Drawing, fitted, marker, round, text, textWidth, told } from "./frame.js";
import { scaleOf } from "./scale.js";
import { plain } from "./unit.js";

const row = { height: 34, narrowLabel: 18 };

/** Names stand beside their dots, in a narrow chart above them; the mean is a bar across its whisker, and stands after the dots. */
export function drawDots({ value, rows, reference }: DotChart, width: number): Drawing {
  const format = (value.unit ?? plain).format;
  const narrow = width < 500;
  const left = narrow ? 8 : Math.min(width * 0.34, Math.max(0, ...rows.map(({ name }) => textWidth(name))) + 20);
  const room = Math.max(0, ...rows.map(({ mean }) => (mean === undefined ? 0 : textWidth(format(mean))))) + 16;
  const plane = width - left - room;
  const all = rows.flatMap(({ values, range }) => [...values, ...(range ?? [])]);
  const scale = scaleOf(
    value,
    reference ? [...all, reference.value] : all,
    plane,
    Math.max(2, Math.floor(plane / 100)),
  );
  const at = (number: number): number => left + (scale.at(number) ?? 0);
  const height = row.height + (narrow ? row.narrowLabel : 0);
  const top = reference ? 24 : 8;
  const bottom = top + rows.length * height;

  const grid = scale.ticks.map((tick) => {
    const place = round(at(tick));
    return `<path class="grid" d="M${place} ${top}V${bottom}"/>${text(place, bottom + 16, format(tick), { anchor: "middle", look: "tick" })}`;
  });
  const label = text(left + plane, bottom + 36, value.label, { anchor: "end", look: "axis" });
  const line = reference && referenceLine(at(reference.value), top, bottom, reference.label, left + plane);
  const drawn = rows.map((one, i) => {
    const y = top + i * height + (narrow ? row.narrowLabel : 0) + row.height / 2;
    const name = narrow
      ? text(0, y - row.height / 2, fitted(one.name, width), { look: "name" })
      : text(left - 14, y + 4, fitted(one.name, left - 16), { anchor: "end", look: "name" });
    return name + oneRow(one, y, at, format, left + plane + 10);
  });
  return { height: bottom + 42, body: [...grid, line ?? "", ...drawn, label].join("") };
}

function oneRow(
  { name, values, mean, range, look = 0 }: DotRow,
  y: number,
  at: (value: number) => number,
  format: (value: number) => string,
  end: number,
): string {
  const dots = values.map((value) => told(marker(look, at(value), y), `${name}: ${format(value)}`));
  const whisker = range ? `<path class="whisker" d="M${round(at(range[0]))} ${y}H${round(at(range[1]))}"/>` : "";
  if (mean === undefined) return whisker + dots.join("");
  const bar = `<path class="whisker" d="M${round(at(mean))} ${y - 11}v22"/>`;
  return whisker + dots.join("") + bar + text(end, y + 4, format(mean), { look: "number" });
}

/** A dashed line through all rows; its label stands over it, where there is room. */
function referenceLine(x: number, top: number, bottom: number, label: string, end: number): string {
  const anchor = end - x < textWidth(label) / 2 ? "end" : "middle";
  return `<path class="band" d="M${round(x)} ${top - 6}V${bottom}"/>${text(x, top - 10, label, { anchor, look: "tick" })}`;
}
