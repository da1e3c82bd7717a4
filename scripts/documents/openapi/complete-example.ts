import { isObject, type Json, type JsonObject } from '../json.ts';

const TEXTS: Readonly<Record<string, string>> = {
  'date-time': '2026-11-30T09:15:00.000Z',
  uuid: '0198c5f2-6d3a-7c41-9b1e-3f0a5d7c2e10',
};

/** Finds what a reference names. */
type Resolve = (reference: string) => JsonObject;

function sampleOf(schema: JsonObject, resolve: Resolve): Json {
  const { type, const: constant, enum: choices, format } = schema;
  if (constant !== undefined) return constant;
  if (Array.isArray(type) && type.includes('null')) return null;
  if (Array.isArray(choices)) return choices[0] ?? null;
  if (type === 'array') return [];
  if (type === 'object' || '$ref' in schema) return completeExample({}, schema, resolve);
  if (type === 'boolean') return false;
  if (type === 'integer' || type === 'number')
    return (schema['minimum'] as number | undefined) ?? 0;
  return TEXTS[typeof format === 'string' ? format : ''] ?? 'text';
}

/**
 * Adds to an example the fields that its schema demands. So a new field of a resource needs no
 * change of examples.
 */
export function completeExample(example: Json, schema: JsonObject, resolve: Resolve): Json {
  const { $ref: reference } = schema;
  if (typeof reference === 'string') return completeExample(example, resolve(reference), resolve);
  const { items, properties, required = [] } = schema;
  if (Array.isArray(example) && isObject(items))
    return example.map((one) => completeExample(one, items as JsonObject, resolve));
  if (!isObject(example) || !isObject(properties)) return example;
  const members = Object.entries(properties as Record<string, JsonObject>).flatMap(
    ([name, property]): [string, Json][] => {
      const given = example[name];
      if (given !== undefined) return [[name, completeExample(given, property, resolve)]];
      return (required as string[]).includes(name) ? [[name, sampleOf(property, resolve)]] : [];
    },
  );
  return { ...Object.fromEntries(members), ...unknownMembers(example, properties) };
}

/** Kept, so that the lint finds them. */
const unknownMembers = (example: JsonObject, properties: object): JsonObject =>
  Object.fromEntries(Object.entries(example).filter(([name]) => !(name in properties)));
