import { sql, type RawBuilder } from 'kysely';
import { InvalidFields, parseStorableJson } from '@muniment/server';

/** Whose metadata: the owner's or the administrators'. */
export type MetadataKind = 'user' | 'app';

/** Kind, path and value as `identity.metadata_terms` hashes them. */
export type MetadataTerm = readonly [kind: MetadataKind, ...path: unknown[]];

/**
 * Reads `{"plan":"pro"}` or `{"a":{"b":1}}`: one path to one text, number or boolean.
 * @throws InvalidFields
 */
export function readMetadataFilter(kind: MetadataKind, text: string): MetadataTerm {
  const path: unknown[] = [];
  let value = parse(kind, text);
  while (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const [entry, ...others] = Object.entries(value);
    if (!entry || others.length > 0) throw malformed(kind);
    path.push(entry[0]);
    value = entry[1];
  }
  if (path.length === 0 || value === null || typeof value === 'object') throw malformed(kind);
  return [kind, ...path, value];
}

function parse(kind: MetadataKind, text: string): unknown {
  try {
    return parseStorableJson(text);
  } catch (cause) {
    throw Object.assign(malformed(kind), { cause });
  }
}

const malformed = (kind: MetadataKind): InvalidFields =>
  new InvalidFields([
    {
      pointer: `/querystring/${kind}_metadata`,
      message: 'must be a JSON object of one path to one value, e.g. {"plan":"pro"}',
    },
  ]);

/** The hash by which the index finds a value. */
export const hashOf = (term: MetadataTerm): RawBuilder<Buffer> =>
  sql<Buffer>`sha256(convert_to(${JSON.stringify(term)}::jsonb::text, 'UTF8'))`;
