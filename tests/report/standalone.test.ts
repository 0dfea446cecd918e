import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { curvesSvg } from "#repvgg/report/curves.js";
import { svgToPng } from "#repvgg/report/png.node.js";

const epochs = [0.4, 0.9, 0.8].map((top1, i) => ({
  epoch: i + 1,
  trainLoss: 2 / (i + 1),
  validation: { loss: 2.1 / (i + 1), top1 },
  learningRate: 0.1 - 0.03 * i,
}));

describe("curves that stand alone", () => {
  it("have three charts, name the best epoch and need nothing of a page", () => {
    const svg = curvesSvg("nano on <my> pictures", epochs);
    expect(svg).toContain("nano on &#60;my&#62; pictures");
    expect(svg).toContain("validation top-1: best 90.00 % in epoch 2");
    expect(svg.match(/class="s[0-5]" d=/g)!.length).toBeGreaterThanOrEqual(4); // four curves, and the legend's lines
    expect(svg).not.toMatch(/var\(|undefined|NaN|<script|url\(/);
  });

  it("have no accuracy where no pictures judged the epochs", () => {
    const svg = curvesSvg(
      "nano",
      epochs.map((epoch) => ({ ...epoch, validation: null })),
    );
    expect(svg).not.toMatch(/validation|top-1|NaN/);
    expect(svg).toContain("learning rate");
  });

  it.each([1, 3])("are drawn of %i epochs, in the colours of series", async (count) => {
    const png = sharp(await svgToPng(curvesSvg("nano", epochs.slice(0, count)), 1));
    const { data, info } = await png.flatten().raw().toBuffer({ resolveWithObject: true });
    const colors = new Set<string>();
    for (let i = 0; i < data.length; i += info.channels) colors.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    expect(info.width).toBeGreaterThan(1000);
    for (const color of ["11,102,183", "200,72,12", "255,255,255"]) expect(colors).toContain(color);
  });
});
