import { constantFolding } from "../constant-folding.js";
import type { Dimension, Graph, ValueInfo } from "../graph.js";
import { fittingNodes } from "./analyze.js";

/** Image sizes that nets are made for, tried before all others. */
const usual = [64, 224, 32, 28, 48, 96, 112, 128, 160, 192, 256, 299, 320, 384, 416, 448, 512, 640, 768, 1024];
const largest = 512;

/** Sizes that are tried for some of the open axes alone. */
const ofSome = [...usual, ...Array.from({ length: 63 }, (_, i) => i + 2)];
/** Walks over a graph that the search for sizes of single axes may take. */
const mostWalks = 1000;

/** Sizes by {@link axisKey}; the batch is one for all inputs. */
export type OpenSizes = ReadonlyMap<string, number>;

/** An axis that a graph leaves open by the name that it gives it: axes of one name have one size. */
export function axisKey({ name, shape }: ValueInfo, axis: number): string {
  if (axis === 0) return "0";
  const stated = shape?.[axis];
  return typeof stated === "string" && stated !== "" && stated !== "?" ? `=${stated}` : `${axis} of ${name}`;
}

/** Whether an axis is one of positions: behind the channels, or before them where those come last, as in a sequence of features. */
export function isPosition(shape: readonly Dimension[], axis: number): boolean {
  const channelsLast = shape.length >= 3 && typeof shape[1] !== "number" && typeof shape.at(-1) === "number";
  return channelsLast ? axis >= 1 && axis < shape.length - 1 : axis >= 2;
}

/**
 * Sizes of the axes that a graph's inputs leave open at which all operands fit one another: those that a Gemm, a Reshape, a constant or a Concat
 * further down demands. Found by asking the shape rules: one size for all axes of positions and a batch of one, the usual sizes first; where none
 * does, sizes of some axes (an input's, all heights, all widths, one, the batch), each taken where it lets more nodes fit.
 * @returns undefined where none was found
 */
export function consistentSizes(graph: Graph): OpenSizes | undefined {
  const folded = constantFolding(graph); // once: what is constant does not depend on the size
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const open = inputs.flatMap((input) =>
    (input.shape ?? []).flatMap((size, axis) => {
      const isOpen = typeof size !== "number" && (axis === 0 || isPosition(input.shape!, axis));
      return isOpen ? [{ key: axisKey(input, axis), input: input.name, axis }] : [];
    }),
  );
  const at = (sizes: OpenSizes): Graph => ({ ...folded, inputs: graph.inputs.map((input) => sized(input, sizes)) });
  const square = (side: number): OpenSizes => new Map(open.map(({ key, axis }) => [key, axis === 0 ? 1 : side]));
  const positions = open.some(({ axis }) => axis > 0);
  const fits = (side: number): boolean => fittingNodes(at(square(side))) === folded.nodes.length;
  // One pixel comes last: it is broadcast to whatever is wanted, and then shows little.
  const sides = positions ? [...usual, ...Array.from({ length: largest - 1 }, (_, i) => i + 2)] : usual.slice(0, 1);
  const side = sides.find(fits);
  if (side !== undefined) return square(side);

  const groups = new Map<string, Set<string>>();
  for (const { key, input, axis } of open) {
    const names = axis === 0 ? ["batch"] : [`input ${input}`, `axis ${axis}`, `one ${key}`];
    for (const name of names) groups.set(name, (groups.get(name) ?? new Set()).add(key));
  }
  let best = square(usual[0]!);
  let reached = fittingNodes(at(best));
  let walks = 0;
  for (let before = -1; before < reached; ) {
    before = reached;
    for (const keys of groups.values()) {
      for (const size of ofSome) {
        if (walks++ === mostWalks) return fits(1) ? square(1) : undefined;
        const tried = new Map([...best, ...[...keys].map((key): [string, number] => [key, size])]);
        const fitting = fittingNodes(at(tried));
        if (fitting === folded.nodes.length) return tried;
        if (fitting > reached) [best, reached] = [tried, fitting];
      }
    }
  }
  return fits(1) ? square(1) : undefined;
}

function sized(input: ValueInfo, sizes: OpenSizes): ValueInfo {
  if (!input.shape) return input;
  return {
    ...input,
    shape: input.shape.map((size, axis) =>
      typeof size === "number" ? size : (sizes.get(axisKey(input, axis)) ?? size),
    ),
  };
}
