import { describe, expect, it } from "vitest";
import { cssColor, heatColor, type Rgb } from "#repvgg/report/color-map.js";

/** sRGB → OKLab, by the definition's other direction. */
function oklab(color: Rgb): number[] {
  const [r, g, b] = color.map((part) => {
    const x = part / 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

describe("the heat map's colours", () => {
  const points = Array.from({ length: 33 }, (_, i) => oklab(heatColor(i / 32)));

  it("look equally far apart", () => {
    const steps = points.slice(1).map((point, i) => Math.hypot(...point.map((x, k) => x - points[i]![k]!)));
    const mean = steps.reduce((a, b) => a + b) / steps.length;
    for (const step of steps) expect(Math.abs(step / mean - 1)).toBeLessThan(0.2);
  });

  it("get lighter all the way", () => {
    const lightness = points.map(([l]) => l!);
    expect(lightness).toEqual(lightness.toSorted((a, b) => a - b));
  });

  it("take values outside for the nearest inside", () => {
    expect(heatColor(2)).toEqual(heatColor(1));
    expect(heatColor(Number.NaN)).toEqual(heatColor(0));
    expect(cssColor([255, 0, 16])).toBe("#ff0010");
  });
});
