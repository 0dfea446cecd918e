export function difference(before: string | undefined, after: string | undefined): string;
