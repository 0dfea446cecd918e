import type { GraphNode } from "../../graph/graph.js";

/** A graph as seen by {@link scalesAreMoved}: who gives a value, and the numbers of a constant. */
export interface Side {
  producer(value: string): GraphNode | undefined;
  numbers(value: string): ArrayLike<number> | undefined;
}

const scaling = new Set(["Add", "BatchNormalization", "Div", "Mul", "Sub"]);

/**
 * Whether a node gives what another one gave, with scales and shifts of channels on the other side of it: from behind a Concat to before it, on
 * each part the constants of its channels; or from before a Flatten or Reshape to behind it, each constant as often as its channel has positions.
 * @param same whether a value of the new graph is a value of the old one
 */
export function scalesAreMoved(
  now: GraphNode,
  was: GraphNode,
  [after, before]: readonly [after: Side, before: Side],
  same: (now: string, was: string) => boolean,
  sameAttributes: (now: GraphNode, was: GraphNode) => boolean,
): boolean {
  const operands = (node: GraphNode, side: Side): [data: string, place: number] | undefined => {
    if (node.domain !== "" || !scaling.has(node.op)) return undefined;
    const data = node.inputs.filter((name) => side.numbers(name) === undefined);
    return data.length === 1 ? [data[0], node.inputs.indexOf(data[0])] : undefined;
  };
  /** One scale of each graph with fitting constants: what they read, and how many channels the new one has (0: one number for all). */
  const step = (
    value: string,
    old: GraphNode,
    fits: (numbers: ArrayLike<number>, whole: ArrayLike<number>) => boolean,
  ): { readonly value: string; readonly old: string; readonly channels: number } | undefined => {
    const node = after.producer(value);
    const [mine, theirs] = [node && operands(node, after), operands(old, before)];
    if (!node || !mine || !theirs || mine[1] !== theirs[1] || node.op !== old.op || !sameAttributes(node, old))
      return undefined;
    let channels = 0;
    for (const [i, name] of node.inputs.entries()) {
      if (i === mine[1]) continue;
      const [numbers, whole] = [after.numbers(name)!, before.numbers(old.inputs[i])];
      if (!whole) return undefined;
      if (numbers.length === 1 && whole.length === 1) {
        if (numbers[0] !== whole[0]) return undefined;
      } else if (!fits(numbers, whole) || (channels !== 0 && channels !== numbers.length)) return undefined;
      else channels = numbers.length;
    }
    return { value: mine[0], old: theirs[0], channels };
  };

  if (now.op === "Concat" && now.domain === "") {
    const scales: GraphNode[] = [];
    let joined: GraphNode | undefined = was;
    for (let found = operands(was, before); joined && found; found = joined && operands(joined, before)) {
      scales.push(joined);
      joined = before.producer(found[0]);
    }
    if (joined?.op !== "Concat" || scales.length === 0 || joined.inputs.length !== now.inputs.length) return false;
    if (!sameAttributes(now, joined)) return false;
    let first = 0;
    const fits = (numbers: ArrayLike<number>, whole: ArrayLike<number>): boolean =>
      first + numbers.length <= whole.length && Array.from(numbers).every((x, c) => x === whole[first + c]);
    for (const [i, part] of now.inputs.entries()) {
      let value = part;
      let channels = 0;
      for (const scale of scales) {
        const found = step(value, scale, fits);
        if (!found || (channels !== 0 && found.channels !== 0 && channels !== found.channels)) return false;
        value = found.value;
        channels ||= found.channels;
      }
      if (!same(value, joined.inputs[i])) return false;
      first += channels;
    }
    return scales.every((scale) =>
      scale.inputs.every((name) => {
        const length = before.numbers(name)?.length ?? 1;
        return length === 1 || length === first;
      }),
    );
  }

  if ((was.op !== "Flatten" && was.op !== "Reshape") || was.domain !== "") return false;
  const repeats = (numbers: ArrayLike<number>, whole: ArrayLike<number>): boolean => {
    const positions = numbers.length / whole.length;
    return Number.isInteger(positions) && Array.from(numbers).every((x, j) => x === whole[Math.floor(j / positions)]);
  };
  let [value, old] = [now.outputs[0], was.inputs[0]];
  for (let moved = 0; ; moved++) {
    const node = after.producer(value);
    if (!node) return false;
    if (node.op === was.op && node.domain === "") {
      const others = node.inputs.slice(1).every((name, i) => same(name, was.inputs[i + 1]));
      return moved > 0 && others && sameAttributes(node, was) && same(node.inputs[0], old);
    }
    const scale = before.producer(old);
    const found = scale && step(value, scale, repeats);
    if (!found) return false;
    [value, old] = [found.value, found.old];
  }
}
