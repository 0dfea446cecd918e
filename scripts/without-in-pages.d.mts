export function withoutInPages(): { readonly name: string; load(id: string): string | undefined };
