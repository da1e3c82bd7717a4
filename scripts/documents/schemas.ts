import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, toPascal, type Json, type JsonObject } from './json.ts';

const SERVICES = join(import.meta.dirname, '../../services');
/** Names that say more than the variable's. */
const NAMES: Readonly<Record<string, string>> = {
  logResourceSchema: 'AuditLogEntry',
  entrySchema: 'QuarantinedRecord',
  replaySchema: 'QuarantineReplay',
  deliverySchema: 'WebhookDelivery',
};

/**
 * The schemas that `<noun>-resource.ts` files export, by the object itself: `userSchema` is `User`.
 */
export async function findResources(): Promise<Map<unknown, string>> {
  const files = readdirSync(SERVICES, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('-resource.ts') && !file.includes('node_modules'))
    .toSorted();
  const names = new Map<unknown, string>();
  for (const file of files) {
    const module = (await import(join(SERVICES, file))) as Record<string, unknown>;
    for (const [variable, schema] of Object.entries(module))
      if (isObject(schema) && schema['type'] === 'object' && variable.endsWith('Schema'))
        names.set(schema, NAMES[variable] ?? toPascal(variable.slice(0, -'Schema'.length)));
  }
  return names;
}

/** The schemas of a document, which names each of them once. */
export interface Schemas {
  /** The schema as OpenAPI 3.1 has it, resources as references. */
  convert(schema: unknown): JsonObject;
  /**
   * The same; an object without a name of its own becomes a component, by the first name that is
   * free.
   */
  convertAs(names: readonly string[], schema: unknown): JsonObject;
  /** The component that a reference names. */
  resolve(reference: string): JsonObject;
  components: Record<string, JsonObject>;
}

const isNull = (schema: unknown): boolean => isObject(schema) && schema['type'] === 'null';

/** `anyOf` of a type and null as one schema with two types: OpenAPI 3.1 has no `nullable`. */
function mergeNull(schema: JsonObject): JsonObject {
  const { anyOf, ...rest } = schema;
  if (!Array.isArray(anyOf) || anyOf.length !== 2 || !anyOf.some(isNull)) return schema;
  const value = anyOf.find((one) => !isNull(one));
  if (!isObject(value) || typeof value['type'] !== 'string') return schema;
  const { type, enum: values, ...others } = value as JsonObject & { type: string };
  const choices = Array.isArray(values) ? { enum: [...values, null] } : {};
  return { type: [type, 'null'], ...others, ...choices, ...rest };
}

/** A choice of texts as one enumeration. */
function mergeLiterals(schema: JsonObject): JsonObject {
  const { anyOf, ...rest } = schema;
  if (Array.isArray(schema['enum']) && schema['type'] === undefined)
    return { type: 'string', ...schema };
  if (!Array.isArray(anyOf)) return schema;
  const values = anyOf.map((one) => (isObject(one) ? one['const'] : undefined));
  if (!values.every((value) => typeof value === 'string')) return schema;
  return { type: 'string', enum: values, ...rest };
}

/** A caller may leave out what has a default: validators fill it in before they demand it. */
function dropFilledIn(schema: JsonObject): JsonObject {
  const { required, properties } = schema;
  if (!Array.isArray(required) || !isObject(properties)) return schema;
  const demanded = required.filter(
    (name) => typeof name === 'string' && !('default' in (properties[name] as JsonObject)),
  );
  const { required: _, ...rest } = schema;
  return demanded.length === 0 ? rest : { ...schema, required: demanded };
}

const isPage = ({ properties }: JsonObject): boolean =>
  isObject(properties) && 'next_cursor' in properties && 'data' in properties;

/** A page of a list is named by what it lists. */
function pageName(schema: JsonObject): string | undefined {
  const { data, next_cursor: cursor } = (schema['properties'] ?? {}) as Record<string, JsonObject>;
  const items = data?.['items'] as { $ref?: string } | undefined;
  if (cursor === undefined || items?.$ref === undefined) return undefined;
  return `${items.$ref.split('/').at(-1)}${isNull(cursor) ? 'List' : 'Page'}`;
}

/** `ListSessionsResponse` lists a `Session`. */
const itemName = ([name = '']: readonly string[]): string =>
  name.replace(/^List/, '').replace(/s?Response$/, '');

export function createSchemas(names: ReadonlyMap<unknown, string>): Schemas {
  const components: Record<string, JsonObject> = {};

  function add(candidates: readonly string[], schema: JsonObject): JsonObject {
    const text = JSON.stringify(schema);
    const name = candidates.find((one) => text === JSON.stringify(components[one] ?? schema));
    if (name === undefined)
      throw new Error(`two schemas are called ${candidates.join(' or ')}: rename one`);
    components[name] = schema;
    return { $ref: `#/components/schemas/${name}` };
  }

  function convertValue(value: unknown): Json {
    if (Array.isArray(value)) return value.map(convertValue);
    if (!isObject(value)) return value as Json;
    const converted = convertMembers(value);
    const name = names.get(value);
    return name === undefined ? converted : add([name], converted);
  }

  function convertMembers(schema: Record<string, unknown>): JsonObject {
    const members = Object.entries(schema)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]): [string, Json] => [key, convertValue(member)]);
    return mergeNull(mergeLiterals(dropFilledIn(Object.fromEntries(members))));
  }

  /** The items of a page get the name of the list. */
  function nameItems(page: JsonObject, name: string): JsonObject {
    const { data, ...others } = page['properties'] as Record<string, JsonObject>;
    const { items } = data as { items: JsonObject };
    if (items['type'] !== 'object') return page;
    const named = { ...data, items: add([name], items) };
    return { ...page, properties: { data: named, ...others } };
  }

  return {
    components,
    resolve: (reference) => components[reference.split('/').at(-1) ?? ''] ?? {},
    convert: (schema) => convertValue(schema) as JsonObject,
    convertAs(candidates, schema) {
      const plain = convertValue(schema) as JsonObject;
      if (plain['type'] !== 'object') return plain;
      const converted = isPage(plain) ? nameItems(plain, itemName(candidates)) : plain;
      const page = pageName(converted);
      return add(page === undefined ? candidates : [page], converted);
    },
  };
}
