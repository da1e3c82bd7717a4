import fc from 'fast-check';
import { HINTS, symbolsFor } from './hints.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A JSON schema, as far as requests use it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  const?: Json;
  enum?: Json[];
  anyOf?: Schema[];
  default?: Json;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
}

/** Values that a schema admits, those at its bounds among them, and values past them. */
export interface Around {
  valid: fc.Arbitrary<Json>;
  broken: fc.Arbitrary<Json>;
}

const LONGEST = 2_100;
/** Wherever a text is due, some are none. */
const OTHER_TYPES: Json[] = [null, true, 0, -1, 1.5, [], {}, [[]], { a: 1 }];
const MALFORMED_TEXTS = ['', ' ', '\0', 'a\0b', '\u001f', '\ud800', '‮', '%00', "'; --", '{}'];
const NO_INTEGERS: Json[] = [0.5, 2 ** 53, 1e300, '1', ' 1', '1e1', '0x10', 'NaN'];
const CASED = '0198C5F2-6D3A-7C41-9B1E-3F0A5D7C2E10';

const FORMATS: Readonly<Record<string, { valid: string[]; broken: string[] }>> = {
  uuid: {
    valid: [CASED],
    broken: ['1', `{${CASED}}`, CASED.slice(1), `${CASED}0`, 'g'.repeat(36)],
  },
  date: {
    valid: ['2026-11-30', '0001-01-01', '9999-12-31', '2024-02-29'],
    broken: ['2026-02-30', '0000-01-01', '2026-1-1', '10000-01-01', '2026-11-30T00:00:00Z'],
  },
  'date-time': {
    valid: ['2026-11-30T09:15:00Z', '0001-01-01T00:00:00+15:59', '9999-12-31T23:59:59.999999999Z'],
    broken: ['2026-11-30', '2026-02-30T00:00:00Z', '2026-11-30T24:00:00Z', '2026-11-30T09:15:00'],
  },
};

const typesOf = ({ type }: Schema): string[] => [type ?? []].flat();

function textsOf(name: string, schema: Schema): Around {
  const { minLength = 0, maxLength = 100, pattern, format = '' } = schema;
  const matches = new RegExp(pattern ?? '', 'u');
  const fits = (text: string): boolean =>
    matches.test(text) && text.length >= minLength && text.length <= maxLength;
  const known = [...symbolsFor(name, format), ...(HINTS[name] ?? [])];
  const edges = ['a', 'A', '7', '+']
    .flatMap((one) => [minLength, minLength + 1, maxLength].map((n) => one.repeat(n)))
    .filter(fits);
  const random = fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 60) });
  const { valid = [], broken = [] } = FORMATS[format] ?? {};
  const sources = [
    ...(known.length > 0 ? [{ weight: 8, arbitrary: fc.constantFrom(...known) }] : []),
    ...(valid.length > 0 ? [{ weight: 2, arbitrary: fc.constantFrom(...valid) }] : []),
    ...(format === '' && edges.length > 0
      ? [{ weight: 2, arbitrary: fc.constantFrom(...edges) }]
      : []),
    ...(format !== ''
      ? []
      : pattern?.startsWith('^')
        ? [{ weight: 1, arbitrary: fc.stringMatching(matches).filter(fits) }]
        : [{ weight: 1, arbitrary: random.filter(fits) }]),
  ];
  const wrong: Json[] = [
    ...OTHER_TYPES,
    ...MALFORMED_TEXTS,
    ...broken,
    ...(maxLength < LONGEST ? ['x'.repeat(maxLength + 1), '😀'.repeat(maxLength)] : []),
    'x'.repeat(9_000),
  ];
  return { valid: fc.oneof(...sources), broken: fc.constantFrom(...wrong) };
}

function integersOf({ minimum = -(2 ** 53) + 1, maximum = 2 ** 53 - 1, default: usual }: Schema) {
  const edges = [
    minimum,
    minimum + 1,
    maximum - 1,
    maximum,
    ...(usual === undefined ? [] : [usual]),
  ];
  return {
    valid: fc.oneof(
      fc.constantFrom<Json>(...edges),
      fc.nat({ max: Math.min(1_000, maximum - minimum) }).map((n) => Math.max(minimum, -1) + n),
    ),
    broken: fc.constantFrom<Json>(
      minimum - 1,
      maximum + 1,
      ...NO_INTEGERS,
      ...OTHER_TYPES.filter((value) => typeof value !== 'number'),
    ),
  };
}

function listsOf(name: string, { items = {}, minItems = 0, maxItems = 20 }: Schema, schemas: Find) {
  const item = around(name, items, schemas);
  const few = Math.min(maxItems, Math.max(minItems, 3));
  const full = (length: number) => item.valid.map((one) => Array<Json>(length).fill(one));
  return {
    valid: fc.oneof(fc.array(item.valid, { minLength: minItems, maxLength: few }), full(maxItems)),
    broken: fc.oneof(
      full(maxItems + 1),
      fc.constant<Json>(minItems > 0 ? [] : 'one'),
      fc.tuple(item.valid, item.broken).map(([one, other]) => [one, other]),
      fc.constantFrom<Json>(...OTHER_TYPES.filter((value) => !Array.isArray(value)), 'one, two'),
    ),
  };
}

type Members = Record<string, Json>;

function objectsOf({ properties = {}, required = [] }: Schema, schemas: Find): Around {
  const members = Object.entries(properties).map(
    ([name, schema]) => [name, around(name, schema, schemas)] as const,
  );
  const names = members.map(([name]) => name);
  const valid = fc
    .record(Object.fromEntries(members.map(([name, { valid }]) => [name, valid])), {
      requiredKeys: required,
    })
    // Of many optional fields all at once would rarely be admitted.
    .chain((whole) => fc.constant(whole as Members));
  const thin = fc
    .tuple(valid, fc.subarray(names, { maxLength: Math.min(4, names.length) }))
    .map(([whole, kept]) => pick(whole, [...required, ...kept]));
  const spoiled = members.map(([name, { broken }]) =>
    fc.tuple(thin, broken).map(([whole, value]) => ({ ...whole, [name]: value })),
  );
  const lacking = required.map((name) =>
    thin.map((whole) =>
      pick(
        whole,
        names.filter((other) => other !== name),
      ),
    ),
  );
  const foreign = fc
    .tuple(thin, fc.constantFrom('role', '$where', 'constructor', 'a\0', 'ID', ''))
    .map(([whole, name]) => ({ ...whole, [name]: 1 }));
  const none = fc.constantFrom<Json>(null, [], 'text', 1, {}, [{}]);
  return {
    valid: fc.oneof({ weight: 3, arbitrary: thin }, { weight: 1, arbitrary: valid }),
    broken: fc.oneof(...spoiled, ...lacking, foreign, none),
  };
}

const pick = (whole: Members, names: readonly string[]): Members =>
  Object.fromEntries(Object.entries(whole).filter(([name]) => names.includes(name)));

/** Finds the schema that a reference names. */
export type Find = (reference: string) => Schema;

/** The values around a schema. `name` is the field's, by which it gets what it means. */
export function around(name: string, schema: Schema, find: Find): Around {
  if (schema.$ref !== undefined) return around(name, find(schema.$ref), find);
  if (schema.anyOf) {
    const parts = schema.anyOf.map((part) => around(name, part, find));
    return {
      valid: fc.oneof(...parts.map(({ valid }) => valid)),
      broken: fc.oneof(...parts.map(({ broken }) => broken)),
    };
  }
  const bare = aroundType(name, schema, find);
  if (!typesOf(schema).includes('null')) return bare;
  const valid = fc.oneof({ weight: 5, arbitrary: bare.valid }, fc.constant(null));
  return { ...bare, valid };
}

function aroundType(name: string, schema: Schema, find: Find): Around {
  const { const: constant, enum: choices = constant === undefined ? [] : [constant] } = schema;
  const [type = 'object'] = typesOf(schema).filter((one) => one !== 'null');
  if (choices.length > 0) {
    const others: Json[] = [
      ...OTHER_TYPES,
      ...MALFORMED_TEXTS,
      JSON.stringify(choices[0]).toUpperCase(),
    ];
    return { valid: fc.constantFrom(...choices), broken: fc.constantFrom(...others) };
  }
  if (type === 'string') return textsOf(name, schema);
  if (type === 'integer' || type === 'number') return integersOf(schema);
  if (type === 'array') return listsOf(name, schema, find);
  if (type === 'boolean')
    return {
      valid: fc.boolean(),
      broken: fc.constantFrom<Json>('true', 'yes', ...OTHER_TYPES.filter((one) => one !== true)),
    };
  return schema.properties
    ? objectsOf(schema, find)
    : {
        valid: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>),
        broken: fc.constantFrom<Json>('text', 1, [], true),
      };
}
