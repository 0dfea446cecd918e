export const folder: string;
export const snapshots: ReadonlyMap<string, () => string>;
