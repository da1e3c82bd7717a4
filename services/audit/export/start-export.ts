import type { FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { CursorInvalid } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { CheckpointMissing } from '../errors.ts';
import { listArchivedMonths } from '../retention/archive-queries.ts';
import type { Tables } from '../tables.ts';
import { encodeExportCursor, type ExportCursor } from '../trail/cursor.ts';
import type { FilterQuery } from '../trail/filter.ts';
import type { LogQuery } from '../trail/log-query.ts';
import type { Reader } from '../trail/readers/reader.ts';
import { auditExported } from './export-events.ts';
import type { ExportStart } from './format.ts';
import { formats, type FormatName } from './formats.ts';
import { streamRows } from './stream-rows.ts';

/** One part of an export: behind a cursor, behind an index, or from the start. */
export interface WantedExport {
  format: FormatName;
  filter: FilterQuery;
  reader: Reader;
  log: LogQuery;
  /** What the cursors of this export are bound to. */
  binding: Buffer;
  cursor: ExportCursor | undefined;
  after: number | undefined;
  limit: number | undefined;
}

/**
 * Fixes and records an export. Its event is committed before the first byte.
 * @throws CheckpointMissing, CursorInvalid
 */
export async function startExport(
  context: Pick<AuditContext, 'data' | 'audit' | 'crypto' | 'tree'>,
  request: FastifyRequest,
  wanted: WantedExport,
): Promise<{ text: AsyncGenerator<string>; size: number }> {
  const { tree, audit, data } = context;
  const { format, filter, reader, cursor, binding } = wanted;
  const checkpoint = await tree.latestCheckpoint();
  if (!checkpoint) throw new CheckpointMissing();
  // All parts show one view of the log, though each is proven in the newest tree.
  const size = cursor?.size ?? checkpoint.size;
  if (size > checkpoint.size) throw new CursorInvalid();
  const after = cursor?.index ?? wanted.after ?? null;
  const limit = wanted.limit ?? null;
  const exported = { format, filter, reader, size, after, limit };
  await audit.record(request, auditExported(request, exported));
  const shown = await describeFilter(data.db, wanted);
  const start: ExportStart = { checkpoint, filter: shown, after, tree };
  const rows = streamRows({ db: data.db, subjectKeys: context.crypto.subjectKeys }, wanted.log, {
    from: after === null ? 0 : after + 1,
    to: size,
    limit: limit ?? Number.MAX_SAFE_INTEGER,
  });
  const encodeCursor = (index: number) => encodeExportCursor({ size, index }, binding);
  return { text: formats[format].write(start, rows, encodeCursor), size };
}

/** All that narrows the export, archived months too: an export says what it leaves out. */
export async function describeFilter(
  db: Kysely<Tables>,
  {
    filter,
    log: { visibility },
  }: Pick<WantedExport, 'filter'> & { log: Pick<LogQuery, 'visibility'> },
): Promise<ExportStart['filter']> {
  const { concerning, within } = visibility;
  const archived = await listArchivedMonths(db);
  const narrowed = {
    ...filter,
    ...within,
    ...(concerning !== undefined && { concerning }),
    ...(archived.length > 0 && { without_archived: archived }),
  };
  return Object.keys(narrowed).length === 0 ? null : narrowed;
}
