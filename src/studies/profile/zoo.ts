import { counts } from "../../analysis/counts.js";
import { architecture } from "../../nn/build-architecture.js";
import { type VariantName, variantNames, variants } from "../../nn/zoo.js";

/** What the paper prints of a net at 224×224. */
export interface PaperRow {
  /** Of the paper: 4 (120 epochs, simple augmentation) or 5 (200 epochs). */
  readonly table: 4 | 5;
  /** Millions, cut off after two decimals. */
  readonly parameters: number;
  /** "Theo FLOPs (B)": multiply-accumulates of the plain form; "Wino MULs (B)". Rounded to one decimal. */
  readonly flops: number;
  /** "Wino MULs (B)", in billions. */
  readonly winograd: number;
}

/**
 * Ding, Zhang, Ma, Han, Ding and Sun, "RepVGG: Making VGG-style ConvNets Great Again", CVPR 2021 (arXiv:2101.03697), tables 4 and 5,
 * columns "Params (M)", "Theo FLOPs (B)", "Wino MULs (B)".
 */
export const paper: Partial<Readonly<Record<VariantName, PaperRow>>> = {
  A0: { table: 4, parameters: 8.3, flops: 1.4, winograd: 0.7 },
  A1: { table: 4, parameters: 12.78, flops: 2.4, winograd: 1.3 },
  A2: { table: 4, parameters: 25.49, flops: 5.1, winograd: 2.7 },
  B0: { table: 4, parameters: 14.33, flops: 3.1, winograd: 1.6 },
  B1: { table: 4, parameters: 51.82, flops: 11.8, winograd: 5.9 },
  B1g2: { table: 4, parameters: 41.36, flops: 8.8, winograd: 4.6 },
  B1g4: { table: 4, parameters: 36.12, flops: 7.3, winograd: 3.9 },
  B2: { table: 4, parameters: 80.31, flops: 18.4, winograd: 9.1 },
  B2g4: { table: 5, parameters: 55.77, flops: 11.3, winograd: 6 },
  B3: { table: 5, parameters: 110.96, flops: 26.2, winograd: 12.9 },
  B3g4: { table: 5, parameters: 75.62, flops: 16.1, winograd: 8.4 },
};

/** The resolution of the paper's tables. */
const paperSize = 224;

/** A net of the zoo in numbers, beside what the paper prints. */
export interface ZooRow {
  /** In the zoo. */
  readonly name: VariantName;
  /** Side of the input for which the figures hold. */
  readonly inputSize: number;
  /** Learned numbers of each form. */
  readonly parameters: { readonly train: number; readonly plain: number };
  /** Multiply-accumulates of each form, for one picture. */
  readonly macs: { readonly train: number; readonly plain: number };
  /** Of the plain form, for one picture: see {@link profileZoo}. */
  readonly winogradMultiplications: number;
  /** The paper's figures; null where it has none. */
  readonly paper: PaperRow | null;
  /** Our figures, written as the paper writes them, are the paper's. */
  readonly agrees: boolean | null;
}

/** Parameters and arithmetic of every net of the zoo, beside what the paper says. */
export function profileZoo(): readonly ZooRow[] {
  return variantNames.map((name) => {
    const inputSize = variants[name].inputChannels === 3 ? paperSize : variants[name].inputSize;
    const { parameters, macs, winogradMultiplications } = counts(architecture(name), inputSize);
    const printed = paper[name] ?? null;
    const agrees =
      printed &&
      Math.floor(parameters.plain / 1e4) / 100 === printed.parameters &&
      Number((macs.plain / 1e9).toFixed(1)) === printed.flops &&
      Number((winogradMultiplications / 1e9).toFixed(1)) === printed.winograd;
    return { name, inputSize, parameters, macs, winogradMultiplications, paper: printed, agrees };
  });
}

/** Header of {@link zooCells}. */
export const zooHead = [
  "model",
  "input",
  "params (M)",
  "paper",
  "MACs (B)",
  "paper",
  "Winograd (B)",
  "paper",
  "params in training form (M)",
  "MACs in training form (B)",
];

export function zooCells({
  name,
  inputSize,
  parameters,
  macs,
  winogradMultiplications,
  paper: printed,
}: ZooRow): string[] {
  const [million, billion] = [(n: number) => (n / 1e6).toFixed(3), (n: number) => (n / 1e9).toFixed(3)];
  return [
    name,
    String(inputSize),
    million(parameters.plain),
    printed?.parameters.toFixed(2) ?? "–",
    billion(macs.plain),
    printed?.flops.toFixed(1) ?? "–",
    billion(winogradMultiplications),
    printed?.winograd.toFixed(1) ?? "–",
    million(parameters.train),
    billion(macs.train),
  ];
}
