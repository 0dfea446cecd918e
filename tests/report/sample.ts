import { bytes, milliseconds, share } from "#repvgg/report/charts/unit.js";
import type { Report } from "#repvgg/report/page/section.js";

/** A class name as an attacker would choose it. */
export const hostile = `<script>alert("x")</script> & 'quotes' </title></style>`;

const dot =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const epochs = Array.from({ length: 30 }, (_, epoch) => epoch + 1);
const layers = ["stage0", "stage1.0", "stage1.1", "stage2.0", "stage2.1", "stage3.0", hostile];

/** A page with every kind of section and chart. */
export const sample: Report = {
  kind: "repvgg sample",
  title: `A page with everything: ${hostile}`,
  lead: `Every kind of section once, with names that must be escaped: ${hostile}`,
  footer: ["repvgg sample", `made of ${hostile}`],
  sections: [
    {
      kind: "figures",
      figures: [
        { label: "test top-1", value: "91.24 %", note: "of 10,000 pictures" },
        { label: "parameters", value: "8,309,384" },
        { label: "peak of activations", value: "4.59 MiB", note: "plain: 3.06 MiB" },
        { label: hostile, value: hostile, note: hostile },
      ],
    },
    { kind: "heading", text: "Curves" },
    { kind: "text", text: ["A paragraph before a chart.", hostile] },
    {
      kind: "chart",
      chart: {
        kind: "lines",
        title: "Loss over the epochs",
        description: "Both fall; the test loss stays above the train loss from epoch 8 on.",
        x: { label: "epoch" },
        y: { label: "loss", zero: true },
        series: [
          { name: "train", points: epochs.map((x) => ({ x, y: 2.3 * Math.exp(-x / 9) + 0.1 })) },
          { name: "test", points: epochs.map((x) => ({ x, y: 2.3 * Math.exp(-x / 12) + 0.25 + 0.03 * Math.sin(x) })) },
        ],
      },
    },
    {
      kind: "chart",
      chart: {
        kind: "lines",
        title: "Roofline",
        description: "Each layer by its arithmetic intensity and speed.",
        x: { label: "FLOP per byte", scale: "log" },
        y: { label: "GFLOP/s", scale: "log" },
        series: [
          {
            name: "roof",
            points: [
              { x: 0.1, y: 5 },
              { x: 2, y: 100 },
              { x: 200, y: 100 },
            ],
          },
          {
            name: "layers",
            draw: "points",
            points: [
              { x: 1, y: 30, label: "stage0" },
              { x: 40, y: 80, label: hostile },
            ],
          },
        ],
      },
    },
    {
      kind: "chart",
      chart: {
        kind: "dots",
        title: "Every seed",
        description: "A dot for each run; the bar is the mean.",
        value: { label: "test top-1", unit: share },
        reference: { value: 0.72, label: "the base" },
        rows: [
          { name: "all branches", values: [0.71, 0.72, 0.73], mean: 0.72, range: [0.71, 0.73] },
          { name: hostile, values: [0.64, 0.655], mean: 0.6475, look: 1 },
        ],
      },
    },
    {
      kind: "chart",
      chart: {
        kind: "lines",
        title: "Variants",
        description: "Means with their standard deviations.",
        x: { label: "width" },
        y: { label: "top-1", unit: share },
        series: [
          {
            name: "both branches",
            draw: "both",
            points: [1, 2, 3].map((x) => ({ x, y: 0.7 + 0.05 * x, spread: 0.02 })),
          },
        ],
      },
    },
    { kind: "heading", text: "Bars" },
    {
      kind: "chart",
      chart: {
        kind: "bars",
        title: "Time per layer",
        description: "The training form takes longer in every layer.",
        value: { label: "milliseconds a run", unit: milliseconds },
        categories: layers,
        series: [
          { name: "training form", values: layers.map((_, i) => 3 + Math.sin(i)) },
          {
            name: "plain form",
            values: layers.map((_, i) => (i === 2 ? undefined : 2 + Math.cos(i))),
            ranges: layers.map((_, i) => [1.8 + Math.cos(i), 2.3 + Math.cos(i)]),
          },
        ],
      },
    },
    { kind: "heading", text: "Heat maps" },
    { kind: "heading", text: "Kernels", level: 3 },
    {
      kind: "chart",
      chart: {
        kind: "heat-map",
        title: "A kernel before and after folding",
        description: "The 1×1 and identity branches are in the middle of the plain kernel.",
        scale: "diverging",
        panels: ["3×3", "1×1", "identity", "plain"].map((title, i) => ({
          title,
          ...(i % 2 === 0 && { row: `row ${hostile}` }),
          rows: 3,
          columns: 3,
          values: Float32Array.from({ length: 9 }, (_, k) => (i === 2 ? (k === 4 ? 1 : 0) : Math.sin(k * (i + 1)))),
        })),
      },
    },
    { kind: "heading", text: "Confusion", level: 3 },
    {
      kind: "chart",
      chart: {
        kind: "heat-map",
        title: "Confusion matrix",
        description: "Shirts are taken for T-shirts most often.",
        scale: "sequential",
        rowTitle: "what it is",
        columnTitle: "what the net says",
        rowLabels: ["shirt", "coat", "T-shirt", hostile],
        columnLabels: ["shirt", "coat", "T-shirt", hostile],
        showValues: true,
        panels: [{ rows: 4, columns: 4, values: [90, 3, 17, 0, 4, 95, 1, 0, 12, 0, 88, 2, 0, 1, Number.NaN, 99] }],
      },
    },
    { kind: "heading", text: "Memory" },
    {
      kind: "chart",
      chart: {
        kind: "timeline",
        title: "Live activations",
        description: "The training form peaks at twice the input of a block, the plain form does not.",
        x: { label: "the run, layer by layer" },
        y: { label: "bytes of live activations", unit: bytes },
        bands: [0, 1, 2].map((i) => ({ from: i * 2, to: i * 2 + 2, label: `stage${i}` })),
        series: [
          {
            name: "training form",
            spans: layers.slice(0, 6).map((label, i) => ({ from: i, to: i + 1, label, value: (6 - i) * 2 ** 20 })),
          },
          {
            name: "plain form",
            spans: layers.slice(0, 6).map((label, i) => ({ from: i, to: i + 1, label, value: (6 - i) * 2 ** 19 })),
          },
        ],
      },
    },
    { kind: "heading", text: "Tables" },
    {
      kind: "table",
      caption: "Layers",
      columns: [{ label: "layer" }, { label: "algorithm", align: "left" }, { label: "MACs" }, { label: "share" }],
      rows: [
        ...layers.map((layer, i) => [
          layer,
          { text: "winograd4", look: "muted" as const },
          1000 * i,
          { text: `${10 * i} %`, share: i / 10 },
        ]),
        ["all", "", 21000, ""],
      ],
      total: true,
    },
    {
      kind: "table",
      caption: `A long table: ${hostile}`,
      folded: true,
      columns: [{ label: "value" }, { label: "error" }],
      rows: [["a", { text: "1e-3", look: "bad" }]],
    },
    {
      kind: "notes",
      notes: [
        { level: "good", text: "Both forms agree." },
        { level: "info", text: "The machine was quiet." },
        { level: "warning", text: `BN statistics of ${hostile} were never updated.` },
        { level: "error", text: "The outputs differ." },
      ],
    },
    { kind: "heading", text: "Pictures" },
    {
      kind: "pictures",
      caption: "The most confident mistakes",
      pixelated: true,
      pictures: [
        { source: dot, alternative: "a red pixel", lines: ["shirt 98 %", "is: coat"], look: "bad" },
        { source: dot, alternative: `a picture of ${hostile}`, lines: [hostile], look: "good" },
        { source: dot, alternative: "a third" },
      ],
    },
  ],
};
