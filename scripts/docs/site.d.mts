export function buildSite(out: string): Promise<string[]>;
