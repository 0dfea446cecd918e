import { intAttribute } from "../attributes.js";
import { sliceRange } from "../evaluate/layout.js";
import type { Dimension } from "../graph.js";
import type { RuleContext } from "./shape-rules.js";

/**
 * Contents of small integer values whose sizes may be dynamic: what the Shape → Gather → Unsqueeze → Concat → Reshape chains of
 * exporters carry. A rule gives the output's elements (a scalar has one), or undefined where they cannot be told.
 */
export type IntegerRule = (context: RuleContext) => readonly Dimension[] | undefined;

const first: IntegerRule = ({ contents }) => contents(0);

const arithmetic =
  (f: (a: number, b: number) => number, neutral: number): IntegerRule =>
  ({ contents }) => {
    const [a, b] = [contents(0), contents(1)];
    if (!a || !b || (a.length !== b.length && b.length !== 1)) return undefined;
    const result = a.map((x, i) => {
      const y = b[b.length === 1 ? 0 : i];
      if (typeof x === "number" && typeof y === "number") return Math.trunc(f(x, y));
      return y === neutral ? x : undefined;
    });
    return result.includes(undefined) ? undefined : (result as Dimension[]);
  };

export const integerRules: Readonly<Record<string, IntegerRule>> = {
  Add: arithmetic((a, b) => a + b, 0),
  Cast: ({ contents }) => contents(0)?.map((x) => (typeof x === "number" ? Math.trunc(x) : x)),
  Concat: ({ node, contents }) => {
    const parts = node.inputs.map((_, i) => contents(i));
    return parts.includes(undefined) ? undefined : parts.flatMap((part) => part!);
  },
  Div: arithmetic((a, b) => a / b, 1),
  Gather: ({ node, contents }) => {
    const [values, indices] = [contents(0), contents(1)];
    if (!values || !indices || intAttribute(node, "axis", 0) !== 0) return undefined;
    const picked = indices.map((i) => (typeof i === "number" ? values.at(i) : undefined));
    return picked.includes(undefined) ? undefined : (picked as Dimension[]);
  },
  Identity: first,
  Mul: arithmetic((a, b) => a * b, 1),
  Shape: ({ node, shapes: [x] }) => x?.slice(intAttribute(node, "start", 0), intAttribute(node, "end", x.length)),
  Slice: ({ contents }) => {
    const values = contents(0);
    const [start, end, step] = [contents(1)?.[0], contents(2)?.[0], contents(4)?.[0] ?? 1];
    if (!values || typeof start !== "number" || typeof end !== "number" || typeof step !== "number") return undefined;
    const range = sliceRange(values.length, start, end, step);
    return Array.from({ length: range.count }, (_, i) => values[range.start + i * step]);
  },
  Squeeze: first,
  Sub: arithmetic((a, b) => a - b, 0),
  Unsqueeze: first,
};
