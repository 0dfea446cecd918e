/** A program that a package registry has ready for this platform: nothing is built or downloaded beside the package. */
export interface RuntimePackage {
  /** The folder in node_modules. */
  readonly name: string;
  /** What `npm install` is given. */
  readonly specifier: string;
  /** The program in the folder. */
  readonly program: string;
}

/** The Node versions that are tried: the oldest that the package takes, and each that is maintained. */
export const nodeVersions = ["20.19", "22", "24", "26"] as const;

/** The TypeScript versions that the declarations are held against: docs/bundlers.md names the first. */
export const typescriptVersions = ["5.7", "5.8", "5.9", "6.0"] as const;

/** @throws Error on a platform that the runtimes have no such packages for. */
export function runtimePackages(): {
  readonly nodes: readonly RuntimePackage[];
  readonly bun: RuntimePackage;
  readonly deno: RuntimePackage;
} {
  const { platform, arch } = process;
  const systems = { linux: "linux", darwin: "darwin", win32: "win" } as const;
  const system = systems[platform as keyof typeof systems];
  if (!system || !["x64", "arm64"].includes(arch)) throw new Error(`no runtimes as packages for ${platform} ${arch}`);
  const windows = platform === "win32";
  const bunName = `@oven/bun-${windows ? "windows" : system}-${arch === "arm64" ? "aarch64" : arch}`;
  const denoName = `@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`;
  return {
    nodes: nodeVersions.map((version) => ({
      name: `node-${version}`,
      specifier: `node-${version}@npm:node-${system}-${arch}@${version}`,
      program: windows ? "bin/node.exe" : "bin/node",
    })),
    bun: { name: bunName, specifier: `${bunName}@1`, program: windows ? "bin/bun.exe" : "bin/bun" },
    deno: { name: denoName, specifier: `${denoName}@2`, program: windows ? "deno.exe" : "deno" },
  };
}
