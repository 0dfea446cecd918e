import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Path of a file in tests/fixtures/oracles. */
export function oraclePath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/oracles/${name}`, import.meta.url));
}

/** Bytes of a file in tests/fixtures/oracles, in memory of their own. */
export function oracle(name: string): Uint8Array {
  return new Uint8Array(readFileSync(oraclePath(name)));
}

/** Path of a file in tests/fixtures/torch. */
export function torchPath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/torch/${name}`, import.meta.url));
}

/** Bytes of a file in tests/fixtures/torch. */
export function torchFixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(torchPath(name)));
}
