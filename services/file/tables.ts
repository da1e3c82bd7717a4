import type { Generated, Insertable, Selectable } from 'kysely';

export type FileStatus = 'pending' | 'ready' | 'deleted' | 'purged';

/** files.files. In ready rows only sha256 and object_version may be null. Sizes are bytes. */
export interface FilesTable {
  /** UUIDv7, in order of creation. */
  id: string;
  user_id: string;
  name: string;
  size: number | null;
  mime_type: string | null;
  /** Lower case hex. Null for bytes that passed no replica. */
  sha256: string | null;
  /** S3's ETag with quotes, a strong validator (RFC 9110 §8.8.3). */
  etag: string | null;
  object_key: string;
  /** S3's version id, in a bucket that keeps versions. */
  object_version: string | null;
  status: Generated<FileStatus>;
  scan_status: Generated<'unscanned' | 'clean' | 'infected' | 'failed'>;
  created: Generated<Date>;
  /** Last change, or last heartbeat while pending. */
  updated: Generated<Date>;
  deleted_at: Date | null;
}

/** files.orphans: objects in S3 that no file has. */
export interface OrphansTable {
  object_key: string;
  user_id: string;
  since: Generated<Date>;
  /** When to remove next. */
  not_before: Generated<Date>;
}

/** files.object_batches: names the objects of uploads in progress, by the prefix of their keys. */
export interface ObjectBatchesTable {
  id: string;
  /** Last heartbeat. */
  updated: Generated<Date>;
  /** Since when no upload of it can commit. */
  withdrawn: Date | null;
}

/** files.profile_files: files that were stored for a vendor profile. */
export interface ProfileFilesTable {
  file_id: string;
  /** Null while a profile names it. The cleanup deletes those unclaimed for long. */
  unclaimed_since: Generated<Date | null>;
}

export interface Tables {
  'files.profile_files': ProfileFilesTable;
  'files.files': FilesTable;
  'files.orphans': OrphansTable;
  'files.object_batches': ObjectBatchesTable;
}

export type FileRow = Selectable<FilesTable>;
export type NewFileRow = Insertable<FilesTable>;

/** A ready row; the table's check constraint keeps these non-null. */
export type ReadyFile = FileRow & { size: number; mime_type: string; etag: string };
