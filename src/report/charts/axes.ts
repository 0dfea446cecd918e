import type { Axis } from "./chart.js";
import { round, text, textWidth } from "./frame.js";
import { type Scale, scaleOf } from "./scale.js";
import { plain } from "./unit.js";

/** Where the marks of a chart with two axes go. */
export interface Plane {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Axes {
  readonly plane: Plane;
  readonly x: Scale;
  readonly y: Scale;
  /** Grid, ticks and labels. */
  readonly body: string;
}

interface Wanted {
  readonly width: number;
  readonly top: number;
  readonly height: number;
  readonly x: Axis & { readonly values: readonly number[]; readonly hidden?: boolean };
  readonly y: Axis & { readonly values: readonly number[] };
}

/** Two axes with a grid: as much room for the numbers as they need, the label of y above, that of x below. */
export function axes({ width, top, height, x, y }: Wanted): Axes {
  const yScale = scaleOf(y, y.values, height, 5);
  const yWords = yScale.ticks.map((tick) => (y.unit ?? plain).format(tick));
  const left = Math.ceil(Math.max(16, ...yWords.map(textWidth)) + 8);
  const plane: Plane = { left, top: top + 24, width: width - left - 14, height };
  const xScale = scaleOf(x, x.values, plane.width, Math.max(2, Math.floor(plane.width / 90)));
  const bottom = plane.top + height;
  const grid = yScale.ticks.map((tick, i) => {
    const place = bottom - yScale.at(tick)!;
    return `<path class="grid" d="M${left} ${round(place)}h${plane.width}"/>${text(left - 8, place + 4, yWords[i]!, { anchor: "end", look: "tick" })}`;
  });
  const ticks = x.hidden ? [] : xTicks(xScale, x, plane, bottom);
  const labels = [
    text(0, top + 10, y.label, { look: "axis" }),
    x.label ? text(left + plane.width, bottom + 38, x.label, { anchor: "end", look: "axis" }) : "",
  ];
  return { plane, x: xScale, y: yScale, body: [...grid, ...ticks, ...labels].join("") };
}

function xTicks(scale: Scale, axis: Axis, plane: Plane, bottom: number): string[] {
  return scale.ticks.map((tick) => {
    const place = plane.left + scale.at(tick)!;
    const words = (axis.unit ?? plain).format(tick);
    const room = Math.min(place, plane.left + plane.width + 14 - place) * 2;
    const anchor = room < textWidth(words) ? "end" : "middle";
    return `<path class="grid" d="M${round(place)} ${plane.top}v${plane.height + 4}"/>${text(anchor === "end" ? place + 12 : place, bottom + 18, words, { anchor, look: "tick" })}`;
  });
}

/** Height of an axes' drawing below `top`: the plane's and the labels'. */
export function axesHeight(planeHeight: number): number {
  return 24 + planeHeight + 46;
}
