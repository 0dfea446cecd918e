import { axes, axesHeight, type Plane } from "./axes.js";
import type { Timeline, TimeSpan } from "./chart.js";
import { type Drawing, legend, round, seriesLooks, text, textWidth, told } from "./frame.js";
import type { Scale } from "./scale.js";
import { plain } from "./unit.js";

/** Series as stepped areas over the same time, the higher ones behind. */
export function drawTimeline(chart: Timeline, width: number): Drawing {
  const { series, bands = [] } = chart;
  const names = legend(
    series.map(({ name }) => name),
    width,
    (index, x, y) =>
      `<rect class="f${index % seriesLooks} area" x="${x - 8}" y="${y - 6}" width="16" height="12"/><path class="s${index % seriesLooks}" d="M${x - 8} ${y - 6}h16"/>`,
  );
  const height = width < 500 ? 200 : 300;
  const spans = series.flatMap((one) => one.spans);
  const all = [...spans, ...bands];
  const domain = [Math.min(...all.map(({ from }) => from)), Math.max(...all.map(({ to }) => to))] as const;
  const { plane, x, y, body } = axes({
    ...{ width, top: names.height, height },
    x: { label: chart.x.label, domain, values: [], hidden: true },
    y: { zero: true, ...chart.y, values: spans.map(({ value }) => value) },
  });
  const format = (chart.y.unit ?? plain).format;
  const drawn = series.map((one, index) => area(one.spans, index, plane, x, y));
  const pointers = series.flatMap((one) =>
    one.spans.map((span) => hit(span, plane, x, y, `${one.name}, ${span.label}: ${format(span.value)}`)),
  );
  const body2 = [names.body, body, ...drawn, ...bands.map((band) => drawBand(band, plane, x)), ...pointers];
  return { height: names.height + axesHeight(height), body: body2.join("") };
}

function area(spans: readonly TimeSpan[], series: number, plane: Plane, x: Scale, y: Scale): string {
  const bottom = plane.top + plane.height;
  const outline = spans
    .map(({ from, to, value }, i) => {
      const [left, right] = [plane.left + x.at(from)!, plane.left + x.at(to)!];
      return `${i === 0 ? "M" : "L"}${round(left)} ${round(bottom - y.at(value)!)}H${round(right)}`;
    })
    .join("");
  const first = spans[0];
  if (!first) return "";
  const close = `V${round(bottom)}H${round(plane.left + x.at(first.from)!)}Z`;
  const look = series % seriesLooks;
  return `<path class="f${look} area" d="${outline}${close}"/><path class="s${look}" d="${outline}"/>`;
}

/** An unseen mark over a span, for the pointer. */
function hit({ from, to, value }: TimeSpan, plane: Plane, x: Scale, y: Scale, words: string): string {
  const left = plane.left + x.at(from)!;
  const height = y.at(value)!;
  const rect = `<rect class="hit" x="${round(left)}" y="${round(plane.top + plane.height - height)}" width="${round(plane.left + x.at(to)! - left)}" height="${round(height)}"/>`;
  return told(rect, words);
}

function drawBand(band: { from: number; to: number; label: string }, plane: Plane, x: Scale): string {
  const [left, right] = [plane.left + x.at(band.from)!, plane.left + x.at(band.to)!];
  const bottom = plane.top + plane.height;
  const fits = textWidth(band.label) <= right - left + 4;
  const line = `<path class="band" d="M${round(left)} ${plane.top}V${bottom + 6}"/>`;
  return fits ? line + text((left + right) / 2, bottom + 18, band.label, { anchor: "middle", look: "tick" }) : line;
}
