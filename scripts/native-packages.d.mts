/** See native-packages.mjs. */
export interface NativePlatform {
  readonly id: string;
  readonly os: string;
  readonly cpu: string;
  readonly libc?: string;
  readonly target: string;
}

export interface MainManifest {
  readonly name: string;
  readonly version: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export const nativePackages: readonly NativePlatform[];
export const addonFile: string;
export const packagesFolder: string;
export function nativePackageName(platform: NativePlatform): string;
export function nativeManifest(
  platform: NativePlatform,
  main: MainManifest,
  sha256: string,
): MainManifest & Readonly<Record<string, unknown>>;
export function nativeReadme(platform: NativePlatform): string;
export function releaseManifest<T extends MainManifest>(
  main: T,
): Omit<T, "scripts"> & { readonly optionalDependencies: Readonly<Record<string, string>> };
export function mainManifest(): MainManifest;
