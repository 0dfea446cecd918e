/** To the nearest whole number; halves to the even one (IEEE 754's default, ONNX's Round, Python's round). */
export function roundHalfEven(value: number): number {
  return Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
}
