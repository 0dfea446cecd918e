import { intAttribute } from "../../graph/attributes.js";
import type { Dimension, GraphNode } from "../../graph/graph.js";

/** A constant's numbers and how they lie. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** A graph as seen by {@link scalesAreMoved}: who gives a value, its shape as far as known, and the numbers of a constant. */
export interface Side {
  producer(value: string): GraphNode | undefined;
  shape(value: string): readonly Dimension[] | undefined;
  constant(value: string): Numbers | undefined;
}

const scaling = new Set(["Add", "BatchNormalization", "Div", "Mul", "Sub"]);

/** Operators of which {@link scalesAreMoved} makes new nodes. */
export const movedOperators: ReadonlySet<string> = new Set([...scaling, "Flatten", "Reshape"]);

/**
 * Whether a node gives what another one gave, with scales and shifts of channels on the other side of it: from behind a Concat to before it, on
 * each part the constants of its channels; or from before a Flatten or Reshape to behind it, each constant as often as its channel has positions.
 * @param same whether a value of the new graph is a value of the old one
 */
export function scalesAreMoved(
  now: GraphNode,
  was: GraphNode,
  sides: readonly [after: Side, before: Side],
  same: (now: string, was: string) => boolean,
  sameAttributes: (now: GraphNode, was: GraphNode) => boolean,
): boolean {
  const moved = new MovedScales(sides, same, sameAttributes);
  return now.op === "Concat" && now.domain === "" ? moved.beforeConcat(now, was) : moved.behindFlatten(now, was);
}

/** The numbers of one scale, of the new graph and of the old one: whether they do the same to the channels in question. */
type Fits = (now: readonly number[], was: readonly number[]) => boolean;

class MovedScales {
  readonly #after: Side;
  readonly #before: Side;
  readonly #same: (now: string, was: string) => boolean;
  readonly #sameAttributes: (now: GraphNode, was: GraphNode) => boolean;

  constructor(
    [after, before]: readonly [Side, Side],
    same: (now: string, was: string) => boolean,
    sameAttributes: (now: GraphNode, was: GraphNode) => boolean,
  ) {
    this.#after = after;
    this.#before = before;
    this.#same = same;
    this.#sameAttributes = sameAttributes;
  }

  beforeConcat(now: GraphNode, was: GraphNode): boolean {
    const scales: GraphNode[] = [];
    let joined: GraphNode | undefined = was;
    for (let input = this.#scaled(was); joined && input !== undefined; input = joined && this.#scaled(joined)) {
      scales.push(joined);
      joined = this.#before.producer(input);
    }
    if (joined?.op !== "Concat" || joined.domain !== "" || scales.length === 0) return false;
    if (joined.inputs.length !== now.inputs.length || !this.#sameAttributes(now, joined)) return false;
    const shape = this.#before.shape(joined.outputs[0]);
    const axis = intAttribute(joined, "axis", 1);
    const channelAxis = axis < 0 ? axis + (shape?.length ?? Number.NaN) : axis;
    let first = 0;
    for (const [i, part] of now.inputs.entries()) {
      const count = this.#before.shape(joined.inputs[i])?.[channelAxis] ?? this.#length(part);
      if (typeof count !== "number") return false;
      const fits: Fits = (mine, theirs) =>
        mine.length === count &&
        first + count <= theirs.length &&
        mine.every((number, channel) => number === theirs[first + channel]);
      let value: string | undefined = part;
      for (const scale of scales) {
        value = this.#step(value, scale, fits, [channelAxis, channelAxis], shape?.length);
        if (value === undefined) return false;
      }
      if (!this.#same(value, joined.inputs[i])) return false;
      first += count;
    }
    return scales.every((scale) =>
      scale.inputs.every((name) => [0, 1, first].includes(this.#before.constant(name)?.data.length ?? 0)),
    );
  }

  behindFlatten(now: GraphNode, was: GraphNode): boolean {
    if ((was.op !== "Flatten" && was.op !== "Reshape") || was.domain !== "") return false;
    const [from, to] = [was.inputs[0], was.outputs[0]].map((name) => this.#before.shape(name));
    const [, channels, ...sizes] = from ?? [];
    const features = to?.length === 2 ? to[1] : undefined;
    if (![channels, features, ...sizes].every((size) => typeof size === "number")) return false;
    const positions = (sizes as number[]).reduce((product, size) => product * size, 1);
    if (features !== (channels as number) * positions) return false;
    const repeats: Fits = (mine, theirs) =>
      mine.length === features &&
      theirs.length === channels &&
      mine.every((number, feature) => number === theirs[Math.floor(feature / positions)]);
    let [value, old] = [now.outputs[0], was.inputs[0]];
    for (let moved = 0; ; moved++) {
      const node = this.#after.producer(value);
      if (!node) return false;
      if (node.op === was.op && node.domain === "") {
        const others =
          node.inputs.length === was.inputs.length &&
          node.inputs.slice(1).every((name, i) => this.#same(name, was.inputs[i + 1]));
        return moved > 0 && others && this.#sameAttributes(node, was) && this.#same(node.inputs[0], old);
      }
      const scale = this.#before.producer(old);
      const input = scale && this.#step(value, scale, repeats, [1, 1], from?.length, 2);
      if (input === undefined) return false;
      [value, old] = [input, scale!.inputs[this.#place(scale!)!]];
    }
  }

  /** What a scale or shift by constants reads; undefined for any other node. */
  #scaled(node: GraphNode): string | undefined {
    const place = this.#place(node);
    return place === undefined ? undefined : node.inputs[place];
  }

  /** Which of its inputs a scale of the old graph scales. */
  #place(node: GraphNode): number | undefined {
    if (node.domain !== "" || !scaling.has(node.op)) return undefined;
    const data = node.inputs.flatMap((name, i) => (this.#before.constant(name) ? [] : [i]));
    return data.length === 1 && (node.op !== "BatchNormalization" || data[0] === 0) ? data[0] : undefined;
  }

  /**
   * What the scale of the new graph reads that gives `value`, where it does what `old` did.
   * @param axes of the channels, in the new and in the old graph
   */
  #step(
    value: string,
    old: GraphNode,
    fits: Fits,
    axes: readonly [now: number, was: number],
    rankBefore: number | undefined,
    rankAfter = rankBefore,
  ): string | undefined {
    const node = this.#after.producer(value);
    const place = this.#place(old);
    if (!node || place === undefined || node.op !== old.op || node.domain !== "") return undefined;
    if (node.inputs.length !== old.inputs.length || !this.#sameAttributes(node, old)) return undefined;
    const norm = node.op === "BatchNormalization";
    if (norm && (axes[0] !== 1 || axes[1] !== 1)) return undefined;
    for (const [i, name] of node.inputs.entries()) {
      if (i === place) continue;
      const [mine, theirs] = [this.#after.constant(name), this.#before.constant(old.inputs[i])];
      if (!mine || !theirs) return undefined;
      const [now, was] = [
        alongAxis(mine, axes[0], norm ? 2 : rankAfter, norm),
        alongAxis(theirs, axes[1], rankBefore, norm),
      ];
      if (!now || !was) return undefined;
      const one = !norm && now.length === 1 && was.length === 1;
      if (one ? now[0] !== was[0] : !fits(now, was)) return undefined;
    }
    return node.inputs[place];
  }

  /** Channels that the constants of a new scale tell. */
  #length(value: string): number | undefined {
    const lengths = this.#after.producer(value)?.inputs.map((name) => this.#after.constant(name)?.data.length ?? 0);
    const most = Math.max(0, ...(lengths ?? []));
    return most > 1 ? most : undefined;
  }
}

/** A constant's numbers where it varies along this axis only of a value of that rank (or not at all), and adds none to it. */
function alongAxis(
  { shape, data }: Numbers,
  axis: number,
  rank: number | undefined,
  norm: boolean,
): readonly number[] | undefined {
  if (!norm && data.length > 1) {
    if (rank === undefined || shape.length > rank) return undefined;
    const own = axis - rank + shape.length;
    if (!shape.every((size, at) => size === 1 || at === own)) return undefined;
  }
  if (!norm && data.length === 1 && shape.length > (rank ?? shape.length)) return undefined;
  return Array.from(data);
}
