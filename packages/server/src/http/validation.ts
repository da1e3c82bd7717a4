import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { Ajv } from 'ajv';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
// RFC 3339 §5.6 with a zone, without which a time differs by machine. Limits are PostgreSQL's.
const DATE_TIME =
  /^(?!0000)(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-](0\d|1[0-5]):[0-5]\d)$/;

/** `Date.parse` makes the 2nd of March of a 30th of February; PostgreSQL fails on it. */
function isDateTime(text: string): boolean {
  const day = DATE_TIME.exec(text)?.[1];
  if (day === undefined) return false;
  const midnight = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}

function createAjv(coerceTypes: boolean): Ajv {
  const ajv = new Ajv({
    coerceTypes,
    useDefaults: true,
    removeAdditional: false,
    allowUnionTypes: true,
    strictTypes: false,
  });
  ajv.addFormat('uuid', UUID);
  ajv.addFormat('date-time', { type: 'string', validate: isDateTime });
  return ajv;
}

/**
 * Validates bodies without conversion: a number is not a string, an unknown field is an error. Only
 * query, path and headers, which arrive as text, are converted. Path ids become lower case.
 */
export function validateStrictly(app: FastifyInstance): void {
  const strict = createAjv(false);
  const converting = createAjv(true);
  const compiler: FastifySchemaCompiler<object> = ({ schema, httpPart }) =>
    (httpPart === 'body' ? strict : converting).compile(schema);
  app.setValidatorCompiler(compiler);
  // RFC 9562 §4 allows either case. Comparisons, caches and records use the stored one.
  app.addHook('preValidation', (request, _reply, done) => {
    const params = request.params as Record<string, string> | undefined;
    for (const name in params)
      if (UUID.test(params[name] ?? '')) params[name] = (params[name] ?? '').toLowerCase();
    done();
  });
}
