/** @throws Error with this text unless `condition` holds */
export function must(condition: unknown, text: string): asserts condition {
  if (!condition) throw new Error(text);
}

/** The value at these names, one inside the other; undefined where one is absent. */
export function valueAt(body: unknown, ...names: string[]): unknown {
  return names.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null
        ? (value as Record<string, unknown>)[name]
        : undefined,
    body,
  );
}

/** The text at these names. @throws Error when there is none */
export function textAt(body: unknown, ...names: string[]): string {
  const value = valueAt(body, ...names);
  must(typeof value === 'string' && value !== '', `no ${names.join('.')} in the answer`);
  return value;
}

export const PAGE_SIZE = 50;

/** The rows at these names. @throws Error unless they are a full page */
export function pageAt(body: unknown, ...names: string[]): unknown[] {
  const rows = valueAt(body, ...names);
  must(Array.isArray(rows), `no rows at ${names.join('.')}`);
  must(rows.length === PAGE_SIZE, `expected ${PAGE_SIZE} rows, got ${rows.length}`);
  return rows;
}
