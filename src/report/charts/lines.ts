import { axes, axesHeight } from "./axes.js";
import type { LineChart, LinePoint } from "./chart.js";
import { type Drawing, legend, marker, round, seriesLooks, told } from "./frame.js";
import { plain } from "./unit.js";

export function drawLines(chart: LineChart, width: number): Drawing {
  const names = legend(
    chart.series.map(({ name }) => name),
    width,
    (series, x, y) => swatch(chart, series, x, y),
  );
  const height = width < 500 ? 220 : 320;
  const points = chart.series.flatMap((series) => series.points);
  const { plane, x, y, body } = axes({
    ...{ width, top: names.height, height },
    x: { ...chart.x, values: points.map((point) => point.x) },
    y: { ...chart.y, values: points.flatMap(({ y: value, spread = 0 }) => [value - spread, value + spread]) },
  });
  const place = (at: { readonly x: number; readonly y: number }): readonly [number, number] | undefined => {
    const [px, py] = [x.at(at.x), y.at(at.y)];
    return px === undefined || py === undefined ? undefined : [plane.left + px, plane.top + plane.height - py];
  };
  const series = chart.series.map(({ points: own, draw = "line" }, index) => {
    const line = draw === "points" ? "" : path(own.map(place), index);
    const whiskers = own.map((point) => whisker(point, index, place)).join("");
    const marks = draw === "line" && own.length > 1 ? "" : own.map((p) => dot(chart, p, index, place(p))).join("");
    return line + whiskers + marks;
  });
  return { height: names.height + axesHeight(height), body: names.body + body + series.join("") };
}

function swatch({ series }: LineChart, index: number, x: number, y: number): string {
  const draw = series[index]!.draw ?? "line";
  const line = draw === "points" ? "" : `<path class="s${index % seriesLooks}" d="M${x - 8} ${y}h18"/>`;
  return line + (draw === "line" ? "" : marker(index, x + 1, y));
}

/** A line through the points; it breaks where a number is missing. */
function path(places: readonly (readonly [number, number] | undefined)[], series: number): string {
  let draw = "";
  let pen = "M";
  for (const place of places) {
    if (place === undefined) pen = "M";
    else {
      draw += `${pen}${round(place[0])} ${round(place[1])}`;
      pen = "L";
    }
  }
  return draw === "" ? "" : `<path class="s${series % seriesLooks}" d="${draw}"/>`;
}

type Place = (at: { readonly x: number; readonly y: number }) => readonly [number, number] | undefined;

function whisker({ x, y, spread }: LinePoint, series: number, place: Place): string {
  if (!spread) return "";
  const [from, to] = [place({ x, y: y - spread }), place({ x, y: y + spread })];
  if (!from || !to) return "";
  return `<path class="s${series % seriesLooks} thin" d="M${round(from[0])} ${round(from[1])}V${round(to[1])}"/>`;
}

function dot(chart: LineChart, point: LinePoint, series: number, place: readonly [number, number] | undefined): string {
  if (!place) return "";
  const spread = point.spread ? ` ± ${(chart.y.unit ?? plain).format(point.spread)}` : "";
  const numbers = `${(chart.x.unit ?? plain).format(point.x)}, ${(chart.y.unit ?? plain).format(point.y)}${spread}`;
  return told(marker(series, ...place), point.label ? `${point.label}: ${numbers}` : numbers);
}
