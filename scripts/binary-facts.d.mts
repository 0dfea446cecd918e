/** See binary-facts.mjs. */
export interface BinaryFacts {
  readonly os: string;
  readonly cpu: string | undefined;
  readonly libraries: readonly string[];
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  readonly versions?: readonly string[];
  readonly signed?: boolean;
  readonly oldest?: string;
}

export function binaryFacts(bytes: Buffer): BinaryFacts;
export function newestGlibc(versions: readonly string[]): string | undefined;
export function compareVersions(a: string, b: string): number;
