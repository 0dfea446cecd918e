import { UserError } from "../../core/errors.js";
import type { TorchModule } from "../../formats/torch/torch-module.js";

/** The modules of a net that was pickled as a whole, by the official names of its weights. */
export interface NetModules {
  /** The module that has a weight. @param name official: `stage1.0.rbr_dense.conv.weight` */
  of(name: string): TorchModule | undefined;
  /** The modules below the one that has a weight's block. @param block official path @param name of any weight in the block */
  below(block: string, name: string): ReadonlyMap<string, TorchModule>;
}

/**
 * @param modules by path, as the file has them
 * @param origins of each official name the one in the file
 */
export function netModules(
  modules: ReadonlyMap<string, TorchModule>,
  origins: ReadonlyMap<string, string>,
): NetModules {
  const pathOf = (name: string): string | undefined => origins.get(name)?.replace(/\.[^.]+$/, "");
  return {
    of(name) {
      const path = pathOf(name);
      return path === undefined ? undefined : modules.get(path);
    },
    below(block, name) {
      const own = origins.get(name);
      if (own === undefined || modules.size === 0) return new Map();
      // What follows the block's path has as many parts in the file as officially.
      const parts = name.slice(block.length + 1).split(".").length;
      const path = own.split(".").slice(0, -parts).join(".");
      const found = [...modules].filter(([other]) => other.startsWith(`${path}.`));
      return new Map(found.map(([other, module]) => [other.slice(path.length + 1), module]));
    },
  };
}

const activation = /^torch\.nn\.modules\.activation\.(\w+)$/;

/** Modules of squeeze-and-excitation have a sigmoid of their own. */
const ofSqueezeExcite = /^(se|post_se|attn|se_layer)(\.|$)/;

/**
 * Checks that a block's modules compute what blocks of its kind do.
 * @throws UserError for other activations, or another normalisation than BatchNorm.
 */
export function checkBlockModules(block: string, modules: ReadonlyMap<string, TorchModule>): void {
  for (const [path, { type }] of modules) {
    const name = activation.exec(type)?.[1];
    if (name !== undefined && name !== "ReLU" && !ofSqueezeExcite.test(path)) {
      throw other(`ReLU behind ${block}`, `${name} (module ${path})`);
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
  const stride = pair("stride", Number.NaN);
  if (pair("dilation", 1).some((value) => value !== 1))
    throw other(`${module} without dilation`, `${pair("dilation", 1)}`);
  const mode = settings.get("padding_mode") ?? "zeros";
  if (mode !== "zeros") throw other(`${module} padded with zeros`, `padding mode ${mode}`);
  const wanted = (kernel - 1) / 2;
  const padding = pair("padding", wanted);
  if (padding.some((value) => value !== wanted)) throw other(`${module} padded by ${wanted}`, `${padding.join("×")}`);
  if (stride.some((value) => value !== stride[0]))
    throw other(`${module} with one stride for both sides`, stride.join("×"));
  return Number.isNaN(stride[0]) ? undefined : stride[0];
}

function other(expected: string, received: string): UserError {
  return new UserError({
    expected,
    received: `${received}, as the pickled modules say`,
    remedy: "export the net to ONNX and fold that",
  });
}
