/** See kernel-sources.mjs. */
export const root: string;
export function sha256File(path: string): string;
