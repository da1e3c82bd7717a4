import { Type, type Static } from 'typebox';
import type { ReadyFile } from '../tables.ts';

/** A file as clients see it. */
export const fileSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  user_id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  size: Type.Integer({ minimum: 0, description: 'Bytes.' }),
  mime_type: Type.String({ description: 'By the bytes, not by the word of who uploaded them.' }),
  sha256: Type.Union([Type.String({ pattern: '^[0-9a-f]{64}$' }), Type.Null()]),
  etag: Type.String(),
  scan_status: Type.Union([
    Type.Literal('unscanned'),
    Type.Literal('clean'),
    Type.Literal('infected'),
    Type.Literal('failed'),
  ]),
  created: Type.String({ format: 'date-time' }),
  updated: Type.String({ format: 'date-time' }),
});
export type FileResource = Static<typeof fileSchema>;

export const fileParams = Type.Object({ id: Type.String({ format: 'uuid' }) });

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
