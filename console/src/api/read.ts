/*
 * Readers for the parts of an answer that are other documents (a device's report, a manifest):
 * the API's schema leaves them open, so each field is checked before it is shown.
 */

type Fields = Record<string, unknown>;

export function fieldsOf(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : null;
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function listOf<Item>(value: unknown, read: (item: unknown) => Item | null): Item[] {
  if (!Array.isArray(value)) return [];
  return value.map(read).filter((item): item is Item => item !== null);
}

export function textsOf(value: unknown): string[] {
  return listOf(value, (item) => textOf(item) || null);
}
