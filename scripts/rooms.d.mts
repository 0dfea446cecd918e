export interface Import {
  readonly from: string;
  readonly specifier: string;
  /** A file under src/; undefined for what is not ours. */
  readonly to: string | undefined;
}
export function sourceFiles(): Map<string, string>;
export function importsOf(files: ReadonlyMap<string, string>): Import[];
export function roomOf(file: string): string;
export function arrowsOf(imports: readonly Import[]): Map<string, Set<string>>;
export function picture(): string;
export function linesOf(files: ReadonlyMap<string, string>): Map<string, number>;
