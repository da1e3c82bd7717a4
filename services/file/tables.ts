import type { Generated, Insertable, Selectable } from 'kysely';

export type FileStatus = 'pending' | 'ready' | 'deleted' | 'purged';

/** files.files; what is null before `ready` is never null after. Times are UTC, sizes bytes. */
export interface FilesTable {
  /** UUIDv7: its order is that of creation. */
  id: string;
  user_id: string;
  name: string;
  size: number | null;
  mime_type: string | null;
  /** Lower case hex. Null for what came in without passing through a replica. */
  sha256: string | null;
  /** As S3 gave it, with its quotes: a strong validator (RFC 9110 §8.8.3). */
  etag: string | null;
  object_key: string;
  /** S3's version id, in a bucket that keeps versions. */
  object_version: string | null;
  status: Generated<FileStatus>;
  scan_status: Generated<'unscanned' | 'clean' | 'infected' | 'failed'>;
  created: Generated<Date>;
  /** Last change of the row; while pending, the last sign of life of its upload. */
  updated: Generated<Date>;
  deleted_at: Date | null;
}

/** files.orphans: objects that S3 may hold though no file has them. */
export interface OrphansTable {
  object_key: string;
  user_id: string;
  since: Generated<Date>;
  /** When to remove next. */
  not_before: Generated<Date>;
}

export interface Tables {
  'files.files': FilesTable;
  'files.orphans': OrphansTable;
}

export type FileRow = Selectable<FilesTable>;
export type NewFileRow = Insertable<FilesTable>;

/** A row that can be shown and fetched: the table's check constraint holds these non-null. */
export type ReadyFile = FileRow & { size: number; mime_type: string; etag: string };
