/** Headers that a route sends only where the document states them. */
const STATED_ALONE = [
  'accept-ranges',
  'audit-event',
  'content-disposition',
  'content-range',
  'etag',
  'idempotent-replayed',
  'last-modified',
  'link',
  'location',
  'muniment-tree-size',
  'retry-after',
  'www-authenticate',
];

/** A header of a response as the document states it. */
export interface StatedHeader {
  required?: boolean;
  schema?: { type?: string };
}

const INTEGER = /^\d+$/;

/**
 * What the stated headers of a response and those of an answer differ in.
 * @param stated by name, in any case
 */
export function findHeaderBreach(
  stated: ReadonlyMap<string, StatedHeader>,
  headers: Headers,
): string | undefined {
  const known = new Map([...stated].map(([name, header]) => [name.toLowerCase(), header]));
  for (const [name, { required, schema }] of known) {
    const value = headers.get(name);
    if (value === null && required) return `the header ${name} is stated and absent`;
    if (value !== null && schema?.type === 'integer' && !INTEGER.test(value))
      return `the header ${name} is ${value}`;
  }
  const unstated = STATED_ALONE.find((name) => headers.has(name) && !known.has(name));
  return unstated && `the header ${unstated} is not stated: ${headers.get(unstated)}`;
}
