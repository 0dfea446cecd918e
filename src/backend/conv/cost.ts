import { type ConvGeometry, convMacs } from "../../core/conv-geometry.js";
import type { ConvTarget } from "./target.js";

export function convCost(g: ConvGeometry, _role: string, _algorithm: string, _target: ConvTarget) {
  return { multiplications: convMacs(g) };
}
