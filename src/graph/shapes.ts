import { ShapeError } from "../core/errors.js";
import type { Dimension } from "./graph.js";

/** The shape that two shapes broadcast to (numpy's rule). A dynamic size meets 1 or itself. @throws ShapeError. */
export function broadcastShapes(a: readonly Dimension[], b: readonly Dimension[]): Dimension[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    if (typeof x === "string") return y;
    if (typeof y === "string") return x;
    throw new ShapeError({ expected: "shapes that broadcast", received: `[${a.join(", ")}] and [${b.join(", ")}]` });
  });
}
