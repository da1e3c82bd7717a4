import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { Ajv } from 'ajv';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
// RFC 3339 §5.6 with a zone, without which a time differs by machine. Limits are PostgreSQL's.
const DATE_TIME =
  /^(?!0000)(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-](0\d|1[0-5]):[0-5]\d)$/;

const DATE = /^(?!0000)\d{4}-\d{2}-\d{2}$/;

/** Whether a text is a UUID of either case (RFC 9562 §4). */
export const isUuid = (text: string): boolean => UUID.test(text);

/** `Date.parse` makes the 2nd of March of a 30th of February; PostgreSQL fails on it. */
function isDateTime(text: string): boolean {
  const day = DATE_TIME.exec(text)?.[1];
  return day !== undefined && isDate(day);
}

function isDate(day: string): boolean {
  if (!DATE.test(day)) return false;
  const midnight = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}

function createAjv(): Ajv {
  const ajv = new Ajv({
    useDefaults: true,
    removeAdditional: false,
    allowUnionTypes: true,
    strictTypes: false,
  });
  ajv.addFormat('uuid', UUID);
  ajv.addFormat('date', { type: 'string', validate: isDate });
  ajv.addFormat('date-time', { type: 'string', validate: isDateTime });
  return ajv;
}

type Converter = (text: string) => unknown;

const INTEGER = /^-?\d+$/;

/** Converts decimal digits alone: `Infinity`, `0x10`, `1e1`, ` 1` and `1.0` stay text. */
function toInteger(text: string): number | string {
  const value = INTEGER.test(text) ? Number(text) : Number.NaN;
  // A rounded number would be another one than was sent. Adding 0 makes 0 of -0.
  return Number.isSafeInteger(value) ? value + 0 : text;
}

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, false: false };

const CONVERTERS: Readonly<Record<string, Converter>> = {
  integer: toInteger,
  boolean: (text) => BOOLEANS[text] ?? text,
};

interface ObjectSchema {
  properties?: Record<string, { type?: string }>;
}

/** Converts the named values of what arrives as text. What stays text fails the validation. */
function convertText(schema: ObjectSchema): (values: unknown) => void {
  const converters = Object.entries(schema.properties ?? {}).flatMap(([name, { type = '' }]) => {
    const convert = CONVERTERS[type];
    return convert ? [{ name, convert }] : [];
  });
  return (values) => {
    const record = values as Record<string, unknown>;
    for (const { name, convert } of converters) {
      const value = record[name];
      if (typeof value === 'string') record[name] = convert(value);
    }
  };
}

/**
 * Validates bodies without conversion: a number is not a string, an unknown field is an error. Only
 * query, path and headers, which arrive as text, are converted. Path ids become lower case.
 */
export function validateStrictly(app: FastifyInstance): void {
  const ajv = createAjv();
  const compiler: FastifySchemaCompiler<ObjectSchema> = ({ schema, httpPart }) => {
    const validate = ajv.compile(schema);
    if (httpPart === 'body') return validate;
    const convert = convertText(schema);
    // Fastify reads the errors where Ajv leaves them: on the function.
    const validateText: ReturnType<typeof compiler> = (values) => {
      convert(values);
      const valid = validate(values);
      validateText.errors = (validate as typeof validateText).errors ?? null;
      return valid;
    };
    return validateText;
  };
  app.setValidatorCompiler(compiler);
  // RFC 9562 §4 allows either case. Comparisons, caches and records use the stored one.
  app.addHook('preValidation', (request, _reply, done) => {
    const params = request.params as Record<string, string> | undefined;
    for (const name in params)
      if (isUuid(params[name] ?? '')) params[name] = (params[name] ?? '').toLowerCase();
    done();
  });
}
