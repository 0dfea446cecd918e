import { shortNumber } from "../core/format.js";
import { standaloneSvg } from "./standalone.js";

/** What the picture needs of a range test. */
interface DrawnTest {
  readonly steps: readonly { readonly learningRate: number; readonly loss: number; readonly smoothed: number }[];
  readonly lowest: number | null;
  readonly suggestion: number | null;
}

/** Loss against learning rate, as one standalone SVG. */
export function rateTestSvg(title: string, { steps, lowest, suggestion }: DrawnTest): string {
  const at = (name: string, rate: number) => {
    const { learningRate: x, smoothed: y } = steps.reduce((a, b) =>
      Math.abs(Math.log(b.learningRate / rate)) < Math.abs(Math.log(a.learningRate / rate)) ? b : a,
    );
    return { name: `${name} ${shortNumber(rate)}`, draw: "points" as const, points: [{ x, y }] };
  };
  // Beyond the worst smoothed loss single steps would only flatten the curve.
  const most = Math.max(...steps.map(({ smoothed }) => smoothed));
  return standaloneSvg(
    title,
    [
      {
        kind: "lines",
        title: "loss of each step, and smoothed",
        description:
          "The learning rate rises from step to step; the suggestion is a tenth of the rate of the lowest smoothed loss.",
        x: { label: "learning rate", scale: "log" },
        y: { label: "loss, as trained" },
        series: [
          {
            name: "smoothed",
            points: steps.map(({ learningRate, smoothed }) => ({ x: learningRate, y: smoothed })),
          },
          {
            name: "each step",
            draw: "points",
            points: steps.flatMap(({ learningRate, loss }) => (loss <= most ? [{ x: learningRate, y: loss }] : [])),
          },
          ...(suggestion === null ? [] : [at("suggested", suggestion)]),
          ...(lowest === null ? [] : [at("lowest at", lowest)]),
        ],
      },
    ],
    560,
    1,
  );
}
