/** A fault: the text [start, end) of a file is replaced. */
export interface Mutant {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  readonly kind: string;
}
export function typescriptMutants(text: string, fileName: string): Mutant[];
export function cMutants(text: string): Mutant[];
