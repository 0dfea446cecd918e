import type { ColourMap } from "../../ui/colour-map.js";

/** The part of a block's kernels that is shown: all of them, or those around the chosen one. */
export interface SheetWindow {
  readonly firstOutput: number;
  readonly outputs: number;
  readonly firstInput: number;
  readonly inputs: number;
}

const most = 32;

export function sheetWindow(outputs: number, inputs: number, output: number, input: number): SheetWindow {
  const first = (count: number, chosen: number): number =>
    count <= most ? 0 : Math.max(0, Math.min(count - most, Math.floor(chosen / most) * most));
  return {
    firstOutput: first(outputs, output),
    outputs: Math.min(outputs, most),
    firstInput: first(inputs, input),
    inputs: Math.min(inputs, most),
  };
}

/** Draws kernels [outputs][inputs][3][3] as tiles of 3×3 pixels with a pixel between them. */
export function drawSheet(canvas: HTMLCanvasElement, kernels: Float32Array, view: SheetWindow, map: ColourMap): void {
  const pitch = 4;
  canvas.width = view.inputs * pitch - 1;
  canvas.height = view.outputs * pitch - 1;
  const context = canvas.getContext("2d")!;
  const scale = kernels.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
  // Small numbers would all look like zero beside the largest: colours follow the square root.
  const shown = kernels.map((value) => Math.sign(value) * Math.sqrt(Math.abs(value) / scale));
  for (let tile = 0; tile < view.outputs * view.inputs; tile++) {
    const pixels = map.pixels(shown.subarray(tile * 9, tile * 9 + 9), 1);
    const [row, column] = [Math.floor(tile / view.inputs), tile % view.inputs];
    context.putImageData(new ImageData(pixels, 3, 3), column * pitch, row * pitch);
  }
}
