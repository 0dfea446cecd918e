import { UserError } from "../core/errors.js";
import type { TorchModule } from "../formats/torch/torch-module.js";

/** A block of a net, and a weight in it by its official name: with that its modules are found. */
export interface BlockPlace {
  readonly path: string;
  readonly weight: string;
}

/** The modules of a net that was pickled as a whole, by the official names of its weights. */
export interface NetModules {
  /** The module that has a weight. @param name official: `stage1.0.rbr_dense.conv.weight` */
  of(name: string): TorchModule | undefined;
  /** The modules below a block's, by their paths in it. */
  below(block: BlockPlace): ReadonlyMap<string, TorchModule>;
  /** The modules that stand beside the first block. */
  beside(stem: BlockPlace): ReadonlyMap<string, TorchModule>;
}

/**
 * @param modules by path, as the file has them
 * @param origins of each official name the one in the file
 */
export function netModules(
  modules: ReadonlyMap<string, TorchModule>,
  origins: ReadonlyMap<string, string>,
): NetModules {
  /** What follows the block's path has as many parts in the file as officially. */
  const pathOf = ({ path, weight }: BlockPlace): string[] =>
    (origins.get(weight) ?? "").split(".").slice(0, -weight.slice(path.length + 1).split(".").length);
  const inside = (parts: readonly string[]): Map<string, TorchModule> => {
    const start = parts.map((part) => `${part}.`).join("");
    const found = [...modules].filter(([path]) => path !== "" && path.startsWith(start));
    return new Map(found.map(([path, module]) => [path.slice(start.length), module]));
  };
  return {
    of(name) {
      const path = origins.get(name)?.replace(/\.[^.]+$/, "");
      return path === undefined ? undefined : modules.get(path);
    },
    below: (block) => inside(pathOf(block)),
    beside: (stem) => new Map([...inside(pathOf(stem).slice(0, -1))].filter(([path]) => !path.includes("."))),
  };
}

const activation = /^torch\.nn\.modules\.activation\.(\w+)$/;

/** What stands between nets' blocks without weights of its own. */
const weightless = /^torch\.nn\.modules\.(activation|instancenorm|padding|pixelshuffle|pooling|upsampling)\.(\w+)$/;

/** Modules of squeeze-and-excitation have a sigmoid of their own. */
const ofSqueezeExcite = /^(se|post_se|attn|se_layer)(\.|$)/;

/** How blocks call the module of their ReLU. */
const ownActivation = /^(nonlinearity|act|activation|relu)$/;

/**
 * Checks that modules compute what nets of these blocks do: BatchNorm, ReLU, a mean over positions.
 * @param blocks the first one first
 * @throws UserError for other activations, another normalisation than BatchNorm, or layers between the blocks.
 */
export function checkNetModules(modules: NetModules, blocks: readonly BlockPlace[]): void {
  for (const block of blocks) checkBlockModules(block.path, modules.below(block));
  for (const [path, { type }] of modules.beside(blocks[0]!)) {
    const name = weightless.exec(type)?.[2];
    if (name !== undefined && name !== "AdaptiveAvgPool2d") {
      throw other("nothing but blocks, a mean over positions and a classifier", `${name} (module ${path})`);
    }
  }
}

function checkBlockModules(block: string, modules: ReadonlyMap<string, TorchModule>): void {
  for (const [path, { type }] of modules) {
    const name = activation.exec(type)?.[1] ?? (ownActivation.test(path) ? type.split(".").at(-1)! : undefined);
    const squeezing = ofSqueezeExcite.test(path);
    if (name !== undefined && name !== "ReLU" && !(squeezing && name === "Sigmoid")) {
      const expected = squeezing
        ? `ReLU and a sigmoid in the squeeze-and-excitation of ${block}`
        : `ReLU behind ${block}`;
      throw other(expected, `${name} (module ${path})`);
    }
    if (/\.(InstanceNorm|GroupNorm|LayerNorm)\w*$/.test(type)) {
      throw other(`BatchNorm in ${block}`, `${type.split(".").at(-1)} (module ${path})`);
    }
  }
}

/**
 * The stride of a convolution's module, where there is one that says it.
 * @param name official, of its weight
 * @param kernel its side
 * @throws UserError for a geometry that the net's blocks have not: a dilation, unequal strides, other padding.
 */
export function moduleStride(modules: NetModules, name: string, kernel: number): number | undefined {
  const settings = modules.of(name)?.settings;
  if (settings === undefined) return undefined;
  const pair = (key: string, usual: number): readonly number[] => {
    const value = settings.get(key);
    return Array.isArray(value) ? value : [usual, usual];
  };
  const module = name.replace(/\.weight$/, "");
  const dilation = pair("dilation", 1);
  if (dilation.some((value) => value !== 1)) throw other(`${module} without dilation`, dilation.join("×"));
  const mode = settings.get("padding_mode") ?? "zeros";
  if (mode !== "zeros") throw other(`${module} padded with zeros`, `padding mode ${mode}`);
  const wanted = (kernel - 1) / 2;
  const padding = settings.get("padding") === "valid" ? [0, 0] : pair("padding", wanted); // "same" is what is wanted
  if (padding.some((value) => value !== wanted)) throw other(`${module} padded by ${wanted}`, padding.join("×"));
  const stride = settings.get("stride");
  if (!Array.isArray(stride)) return undefined;
  if (stride.some((value) => value !== stride[0]))
    throw other(`${module} with one stride for both sides`, stride.join("×"));
  return stride[0];
}

function other(expected: string, received: string): UserError {
  return new UserError({
    expected,
    received: `${received}, as the pickled modules say`,
    remedy: "export the net to ONNX and fold that",
  });
}
