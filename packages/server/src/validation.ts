import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { Ajv } from 'ajv';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
// RFC 3339 §5.6, with a zone: a time without one would mean something else on each machine.
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

function createAjv(coerceTypes: boolean): Ajv {
  const ajv = new Ajv({ coerceTypes, useDefaults: true, removeAdditional: false, allowUnionTypes: true, strictTypes: false });
  ajv.addFormat('uuid', UUID);
  ajv.addFormat('date-time', { type: 'string', validate: (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text)) });
  return ajv;
}

/**
 * Bodies are taken as they are typed: a number is not a string, an unknown field is an error. Only what arrives as text anyway (query, path, headers)
 * is converted to the schema's type.
 */
export function validateStrictly(app: FastifyInstance): void {
  const strict = createAjv(false);
  const converting = createAjv(true);
  const compiler: FastifySchemaCompiler<object> = ({ schema, httpPart }) => (httpPart === 'body' ? strict : converting).compile(schema);
  app.setValidatorCompiler(compiler);
}
