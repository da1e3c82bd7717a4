import { Type, type Static } from 'typebox';
import { dateTime, nullable, uuid, type Validators } from '@muniment/server';
import type { FileRow, ReadyFile } from '../tables.ts';

const scanStatus = Type.Union([
  Type.Literal('unscanned'),
  Type.Literal('clean'),
  Type.Literal('infected'),
  Type.Literal('failed'),
]);

/** A file as clients see it. */
export const fileSchema = Type.Object({
  id: uuid,
  user_id: uuid,
  name: Type.String(),
  size: Type.Integer({ minimum: 0, description: 'Bytes.' }),
  mime_type: Type.String({ description: 'By the bytes; the client is not trusted.' }),
  sha256: nullable(Type.String({ pattern: '^[0-9a-f]{64}$' })),
  etag: Type.String(),
  scan_status: scanStatus,
  created: dateTime,
  updated: dateTime,
});
export type FileResource = Static<typeof fileSchema>;

/** The validators of `/api/files/:id`: those of the bytes, which no change alters. */
export const fileValidators = ({ etag, created }: FileRow): Validators => ({
  ...(etag !== null && { etag }),
  lastModified: created,
});

export function toFileResource(row: ReadyFile): FileResource {
  const { id, user_id, name, size, mime_type, sha256, etag, scan_status, created, updated } = row;
  return {
    id,
    user_id,
    name,
    size,
    mime_type,
    sha256,
    etag,
    scan_status,
    created: created.toISOString(),
    updated: updated.toISOString(),
  };
}
