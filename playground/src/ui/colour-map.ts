/**
 * A diverging colour map: blue below zero, the ground's own tone at zero, orange above; equal steps look equal (interpolated in OKLab).
 * Blue and orange stay apart for all usual kinds of colour blindness.
 */
export interface ColourMap {
  /** CSS colour of a value in [−1, 1]. */
  css(value: number): string;
  /** RGBA bytes of values in [−scale, scale]. */
  pixels(values: ArrayLike<number>, scale: number): Uint8ClampedArray<ArrayBuffer>;
}

type Lab = readonly [number, number, number];

/** Lightness and a, b of the stops, from −1 to 1. */
const light: readonly Lab[] = [
  [0.42, -0.03, -0.145],
  [0.7, -0.035, -0.085],
  [0.965, 0, 0.004],
  [0.76, 0.07, 0.085],
  [0.53, 0.13, 0.1],
];
const dark: readonly Lab[] = [
  [0.8, -0.05, -0.115],
  [0.52, -0.025, -0.12],
  [0.285, -0.002, -0.01],
  [0.56, 0.1, 0.09],
  [0.83, 0.06, 0.12],
];

const steps = 256;

function build(stops: readonly Lab[]): ColourMap {
  const table = Array.from({ length: 2 * steps + 1 }, (_, i) => {
    const place = (i / (2 * steps)) * (stops.length - 1);
    const from = Math.min(stops.length - 2, Math.floor(place));
    const t = place - from;
    const [a, b] = [stops[from]!, stops[from + 1]!];
    return rgb([0, 1, 2].map((k) => a[k]! + t * (b[k]! - a[k]!)) as unknown as Lab);
  });
  const index = (value: number): number => Math.round((Math.max(-1, Math.min(1, value)) + 1) * steps);
  return {
    css(value) {
      const [r, g, b] = table[index(value)]!;
      return `rgb(${r} ${g} ${b})`;
    },
    pixels(values, scale) {
      const result = new Uint8ClampedArray(values.length * 4);
      const factor = scale > 0 ? 1 / scale : 0;
      for (let i = 0; i < values.length; i++) {
        const [r, g, b] = table[index(values[i]! * factor)]!;
        result[4 * i] = r;
        result[4 * i + 1] = g;
        result[4 * i + 2] = b;
        result[4 * i + 3] = 255;
      }
      return result;
    },
  };
}

/** OKLab → sRGB bytes (Ottosson 2020). */
function rgb([lightness, a, b]: Lab): [number, number, number] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const gamma = (x: number): number => {
    const clamped = Math.max(0, Math.min(1, x));
    return Math.round(255 * (clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055));
  };
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

const maps = { light: build(light), dark: build(dark) };

export function colourMap(darkScheme: boolean): ColourMap {
  return darkScheme ? maps.dark : maps.light;
}
