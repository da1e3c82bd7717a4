import { Type, type Static, type TObject, type TOptional, type TProperties } from 'typebox';
import { InvalidFields, type FieldFault } from './invalid-fields.ts';

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** Properties by both names. A name of one word has only one. */
export type BothSpellings<Properties extends TProperties> = Properties & {
  [Name in keyof Properties as CamelCase<Name & string>]: Properties[Name];
};

/** `business_name` becomes `businessName`. */
export const toCamelCase = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());

/** The JSON Pointer of a field in the spelling that a body uses. */
export const pointerTo = (body: object, name: string): string =>
  `/${Object.hasOwn(body, toCamelCase(name)) ? toCamelCase(name) : name}`;

/**
 * The properties of a body that a seed document spells in camelCase, by both spellings. All must
 * be optional here: `readSpellings` requires what is required.
 */
export function bothSpellings<Properties extends Record<string, TOptional>>(
  properties: Properties,
): TObject<BothSpellings<Properties>> {
  const aliases = Object.entries(properties).map(([name, schema]) => [toCamelCase(name), schema]);
  return Type.Object(
    { ...properties, ...Object.fromEntries(aliases) },
    { additionalProperties: false, minProperties: 1 },
  ) as TObject<BothSpellings<Properties>>;
}

/**
 * The fields of a body under their snake_case names.
 * @throws InvalidFields where one field has both spellings, or a required one is missing
 */
export function readSpellings<Properties extends TProperties>(
  body: object,
  properties: Properties,
  { required = [] }: { required?: readonly (keyof Properties & string)[] } = {},
): Static<TObject<Properties>> {
  const given = new Map<string, unknown>(Object.entries(body));
  const fields: Record<string, unknown> = {};
  const faults: FieldFault[] = [];
  for (const name of Object.keys(properties)) {
    const alias = toCamelCase(name);
    if (given.has(name)) fields[name] = given.get(name);
    if (alias === name || !given.has(alias)) continue;
    if (given.has(name)) faults.push({ pointer: `/${alias}`, message: `is ${name} once more` });
    else fields[name] = given.get(alias);
  }
  for (const name of required.filter((wanted) => !Object.hasOwn(fields, wanted)))
    faults.push({ pointer: `/${name}`, message: 'is required' });
  if (faults.length > 0) throw new InvalidFields(faults);
  return fields as Static<TObject<Properties>>;
}
