import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { principalOf } from '@muniment/security';
import { defineRoute, rawBody, strictObject } from '@muniment/server';
import {
  CsvMalformed,
  HeaderInvalid,
  ImportCapacity,
  ImportNotUtf8,
  ImportTooLarge,
  ImportUnsupported,
  TooManyRows,
} from '../errors.ts';
import type { ImportContext } from './import-batch.ts';
import { SOURCES, type ImportSource } from './map-row.ts';
import { MAX_BYTES, readRows, type ImportFormat } from './rows/read-rows.ts';
import { runImport } from './run-import.ts';

/** Imports at once at a replica; each holds its report. */
const MAX_IMPORTS = 2;
const RETRY_AFTER_S = 5;

const NDJSON = 'application/x-ndjson';
export const IMPORT_FORMATS: Readonly<Record<string, ImportFormat>> = {
  'text/csv': 'csv',
  [NDJSON]: 'ndjson',
};

const querySchema = strictObject({
  source: Type.Unsafe<ImportSource>(
    Type.Union(
      SOURCES.map((source) => Type.Literal(source)),
      { default: 'muniment', description: 'The system that has exported the file.' },
    ),
  ),
});

/**
 * Imports users as the file arrives. The report follows once all rows are done: most clients read
 * no answer while they send, so a report beside the body would stop both.
 */
export const importUsers = defineRoute({
  method: 'POST',
  url: '/api/users/import',
  operation: 'import.import_users',
  summary: 'Import users from CSV or NDJSON and report what became of each row.',
  access: { permission: 'directory:write' },
  query: querySchema,
  media: {
    'text/csv': rawBody('Users with a header row.', 'text/csv'),
    [NDJSON]: rawBody('One user a line.', NDJSON),
  },
  response: { 200: rawBody('What became of each row, then a summary.', NDJSON) },
  errors: [
    CsvMalformed,
    HeaderInvalid,
    ImportCapacity,
    ImportNotUtf8,
    ImportTooLarge,
    ImportUnsupported,
    TooManyRows,
  ],
  idempotency: 'own',
  handler: (context: ImportContext) => {
    let running = 0;
    return async (request, reply) => {
      const format = IMPORT_FORMATS[mediaTypeOf(request.headers['content-type'])];
      if (!format) throw new ImportUnsupported();
      // Before a row is done, where the file says how large it is.
      if (Number(request.headers['content-length'] ?? 0) > MAX_BYTES) throw new ImportTooLarge();
      if (running >= MAX_IMPORTS)
        throw Object.assign(new ImportCapacity(), { retryAfter: RETRY_AFTER_S });
      running += 1;
      const key = request.headers['idempotency-key'];
      // Fastify parses no body of no bytes.
      const body = request.body instanceof Readable ? request.body : Readable.from([]);
      try {
        const report = await runImport(context, request, {
          caller: principalOf(request),
          source: request.query.source,
          idempotencyKey: typeof key === 'string' ? key : undefined,
          rows: readRows(body, format),
        });
        return await reply.type(NDJSON).send(Readable.from(report, { objectMode: false }));
      } finally {
        running -= 1;
        if (!body.readableEnded) body.resume();
      }
    };
  },
});

const mediaTypeOf = (header = ''): string => (header.split(';')[0] ?? '').trim().toLowerCase();
