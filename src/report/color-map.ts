/** Red, green, blue in 0 … 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** Lightness, green–red and blue–yellow of OKLab (Ottosson, 2020), in which equal distances look equal. */
type Oklab = readonly [lightness: number, a: number, b: number];

/** Lightness 0 … 1, chroma, hue in degrees. */
type Oklch = readonly [lightness: number, chroma: number, hue: number];

/** From dark violet through red and orange to light yellow, lightness rising all the way: also readable without colours. */
const heatColors = evenly(257, [
  [0.16, 0.06, 295],
  [0.32, 0.16, 305],
  [0.5, 0.19, 355],
  [0.66, 0.19, 30],
  [0.8, 0.15, 65],
  [0.96, 0.12, 102],
]);

/** The colour of a value in [0, 1], perceptually uniform: equal steps of the value look like equal steps of colour. */
export function heatColor(value: number): Rgb {
  const within = Math.min(1, Math.max(0, Number.isFinite(value) ? value : 0));
  return heatColors[Math.round(within * (heatColors.length - 1))]!;
}

/** As CSS and SVG have it. */
export function cssColor([red, green, blue]: Rgb): string {
  return `#${[red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** `count` colours at equal distances in OKLab along the straight lines between stops. */
function evenly(count: number, stops: readonly Oklch[]): Rgb[] {
  const points = stops.map(fromPolar);
  const lengths = points.slice(1).map((point, i) => distance(points[i]!, point));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  return Array.from({ length: count }, (_, step) => {
    let rest = (step / (count - 1)) * total;
    let leg = 0;
    while (leg < lengths.length - 1 && rest > lengths[leg]!) rest -= lengths[leg++]!;
    const share = rest / lengths[leg]!;
    const [from, to] = [points[leg]!, points[leg + 1]!];
    return toRgb([0, 1, 2].map((k) => from[k]! + (to[k]! - from[k]!) * share) as unknown as Oklab);
  });
}

function fromPolar([lightness, chroma, hue]: Oklch): Oklab {
  const angle = (hue * Math.PI) / 180;
  return [lightness, chroma * Math.cos(angle), chroma * Math.sin(angle)];
}

function distance(a: Oklab, b: Oklab): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** OKLab → sRGB; the constants are those of the definition. */
function toRgb([lightness, a, b]: Oklab): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((x) => {
    const within = Math.min(1, Math.max(0, x));
    const encoded = within <= 0.0031308 ? 12.92 * within : 1.055 * within ** (1 / 2.4) - 0.055;
    return Math.round(encoded * 255);
  }) as unknown as Rgb;
}
