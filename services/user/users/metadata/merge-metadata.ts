import { isDeepStrictEqual } from 'node:util';
import { Type } from 'typebox';
import { InvalidFields, nullable } from '@muniment/server';
import type { Metadata } from '../../tables.ts';

/** As JSON in UTF-8. */
const MAX_BYTES = 8_192;
const MAX_DEPTH = 5;
/** Members of objects and items of arrays, each of which an index may hold. */
const MAX_VALUES = 100;
/** So that an event can name every changed one. */
const MAX_KEY_BYTES = 64;

/** Metadata as the API shows it. */
export const metadataSchema = Type.Unsafe<Metadata>({
  type: 'object',
  additionalProperties: true,
  description:
    'A JSON object of at most 8 KiB, 100 members and items, five levels, keys of 64 bytes.',
});

/** A change of metadata: null clears it all. */
export const metadataPatchSchema = nullable(
  Type.Unsafe<Metadata>({
    type: 'object',
    additionalProperties: true,
    description: 'A JSON Merge Patch (RFC 7396): null removes a member, an absent one stays.',
  }),
);

const isObject = (value: unknown): value is Metadata =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const refuse = (pointer: string, message: string): never => {
  throw new InvalidFields([{ pointer, message }]);
};

/** RFC 6901 §3 */
const escapeKey = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** Counts the values below `value`. The bound of depth also bounds the recursion. */
function countValues(value: unknown, pointer: string, depth: number): number {
  if (depth > MAX_DEPTH) refuse(pointer, `is deeper than ${MAX_DEPTH} levels`);
  // PostgreSQL would store all digits of 1e300.
  if (typeof value === 'number' && String(value).includes('e'))
    refuse(pointer, 'must be below 1e21 and not closer to zero than 1e-6');
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce((count, [key, inner]) => {
    const place = `${pointer}/${escapeKey(key)}`;
    if (Buffer.byteLength(key) > MAX_KEY_BYTES)
      refuse(place, `has a key of more than ${MAX_KEY_BYTES} bytes`);
    return count + 1 + countValues(inner, place, depth + 1);
  }, 0);
}

function applyPatch(target: unknown, patch: Metadata): Metadata {
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, isObject(value) ? applyPatch(merged.get(key), value) : value);
  }
  return Object.fromEntries(merged);
}

/** A change of one of a user's metadata, with the JSON Pointer at which its body has it. */
export interface MetadataPatch {
  patch: Metadata | null;
  pointer: string;
}

/**
 * The metadata that a change results in.
 * @throws InvalidFields, which names the first value past a bound
 */
export function mergeMetadata(current: Metadata, { patch, pointer }: MetadataPatch): Metadata {
  // Before the merge, which goes as deep as the change.
  countValues(patch, pointer, 0);
  const merged = applyPatch(patch === null ? {} : current, patch ?? {});
  if (countValues(merged, pointer, 0) > MAX_VALUES)
    refuse(pointer, `must NOT have more than ${MAX_VALUES} members and items`);
  if (Buffer.byteLength(JSON.stringify(merged)) > MAX_BYTES)
    refuse(pointer, `must NOT have more than ${MAX_BYTES} bytes`);
  return merged;
}

/** The members that differ, sorted, for the event. */
export function changedKeys(before: Metadata, after: Metadata): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !isDeepStrictEqual(before[key], after[key])).toSorted();
}
