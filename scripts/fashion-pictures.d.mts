export function writePictures(folder: string, counts: Partial<Record<"train" | "test", number>>): Promise<void>;
