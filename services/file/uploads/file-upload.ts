import type { Transaction } from 'kysely';
import { uuidv7 } from '@muniment/database';
import { deleteOrphan } from '../cleanup/orphan-queries.ts';
import {
  insertFailedFile,
  touchPendingFile,
  withdrawPendingFile,
} from '../cleanup/pending-file-queries.ts';
import type { FileContext } from '../context.ts';
import { FileMissing, FileTypeRefused, UploadSuperseded } from '../errors.ts';
import { nameOfUpload } from '../files/file-name.ts';
import {
  insertPendingFile,
  insertReadyFile,
  markFileReady,
  type NewFile,
  type StoredFile,
} from '../files/file-queries.ts';
import { servedMediaType, sniffMediaType } from '../files/media-type.ts';
import type { BatchedObject } from '../object-batches/object-batches.ts';
import {
  createObjectWriter,
  type ObjectWriter,
  type WrittenObject,
} from '../object-store/object-writer.ts';
import { isS3Unavailable } from '../object-store/unavailable.ts';
import type { ReadyFile, Tables } from '../tables.ts';
import type { UploadedContent } from './digest-upload.ts';
import type { FileSink } from './parse-form.ts';

export type UploadContext = Pick<FileContext, 'http' | 'data' | 'config' | 'store' | 'batches'>;

export interface UploadOptions {
  owner: string;
  /** The media types that are stored, by the bytes; absent: all. */
  types?: readonly string[];
  /** Aborted when the upload cannot succeed any more. */
  failure: AbortController;
}

/** One file on its way: its bytes to S3, then its row in the transaction of its event. */
export interface FileUpload extends FileSink {
  /** Resolves once S3 has all bytes. */
  finish(): Promise<UploadedContent>;
  /** Makes it a file. @throws UploadSuperseded */
  commit(trx: Transaction<Tables>): Promise<ReadyFile>;
  /** After the commit: a row names the object. */
  settle(): void;
  /** Removes row and bytes, or leaves them to the cleanup. */
  undo(error: unknown): Promise<void>;
  close(): void;
}

/** One upload in progress. */
interface Upload {
  id: string;
  userId: string;
  created: Date;
  object: BatchedObject;
  types: readonly string[] | undefined;
  /** Known once the form's file part has begun. */
  file?: { name: string; declaredType: string };
  /** Known once the first bytes were read. */
  mediaType?: string;
  written?: WrittenObject;
  /** Set before the insert of a pending row, which may succeed although its answer is lost. */
  mayBePending: boolean;
  heartbeat?: NodeJS.Timeout;
  /** Whether a row names the object, or S3 has nothing of it. */
  isAccounted: boolean;
}

/**
 * Opens an upload. Until its commit its batch names the object, and that of parts a row `pending`
 * too.
 */
export async function openUpload(
  context: UploadContext,
  { owner, types, failure }: UploadOptions,
): Promise<FileUpload> {
  const upload = await startUpload(context, { owner, types });
  const { object } = upload;
  const writer = createObjectWriter({
    store: context.store,
    key: object.key,
    owner,
    failure,
    async onHead(head, isWhole) {
      const mediaType = await readHead(upload, head);
      if (!isWhole) await insertPending(context, upload);
      return mediaType;
    },
  });
  return {
    begin({ filename, declaredType }) {
      upload.file = { name: nameOfUpload(filename), declaredType };
    },
    write: writer.write,
    async finish() {
      upload.written = await writer.finish();
      const { size, sha256 } = upload.written;
      return { name: upload.file?.name ?? '', size, sha256 };
    },
    commit: (trx) => commitFile(trx, upload),
    settle() {
      upload.isAccounted = true;
    },
    async undo(error) {
      await writer.release();
      await undoUpload(context, { upload, writer, error });
    },
    close() {
      clearInterval(upload.heartbeat);
      object.leave(upload.isAccounted);
    },
  };
}

async function startUpload(
  { batches }: UploadContext,
  { owner, types }: { owner: string; types: readonly string[] | undefined },
): Promise<Upload> {
  const created = new Date();
  return {
    id: uuidv7(created.getTime()),
    userId: owner,
    created,
    object: await batches.join(),
    types,
    mayBePending: false,
    isAccounted: false,
  };
}

/** @returns the media type that S3 and downloads serve */
async function readHead(upload: Upload, head: Buffer): Promise<string> {
  if (!upload.file) throw new FileMissing();
  upload.mediaType = await sniffMediaType(head, upload.file.declaredType);
  if (upload.types && !upload.types.includes(upload.mediaType))
    throw new FileTypeRefused(upload.types.join(', '));
  return servedMediaType(upload.mediaType);
}

/** Inserts the row of an upload in parts, which may take long, and its heartbeat. */
async function insertPending(context: UploadContext, upload: Upload): Promise<void> {
  upload.mayBePending = true;
  if (!(await insertPendingFile(context.data.db, newFileOf(upload)))) throw new UploadSuperseded();
  upload.heartbeat = startHeartbeat(context, upload.id);
}

const newFileOf = ({ id, userId, file, object, created }: Upload): NewFile => ({
  id,
  userId,
  name: file?.name ?? '',
  objectKey: object.key,
  created,
});

function startHeartbeat({ http, data, config }: UploadContext, id: string): NodeJS.Timeout {
  const touch = (): void => {
    touchPendingFile(data.db, id).catch((error: unknown) =>
      http.log.warn({ err: error }, 'the heartbeat of an upload failed'),
    );
  };
  return setInterval(touch, config.UPLOAD_ABANDONED_MS / 4).unref();
}

async function commitFile(trx: Transaction<Tables>, upload: Upload): Promise<ReadyFile> {
  const { id, file, mediaType, written } = upload;
  if (!file || mediaType === undefined || !written) throw new FileMissing();
  const { size, sha256, etag, versionId: objectVersion } = written;
  const stored: StoredFile = { id, size, sha256, etag, mimeType: mediaType, objectVersion };
  const ready = await (upload.mayBePending
    ? markFileReady(trx, stored)
    : insertReadyFile(trx, { ...newFileOf(upload), ...stored }, upload.object.batchId));
  if (!ready) throw new UploadSuperseded();
  return ready;
}

interface FailedUpload {
  upload: Upload;
  writer: ObjectWriter;
  error: unknown;
}

async function undoUpload(context: UploadContext, failed: FailedUpload): Promise<void> {
  const { upload, error } = failed;
  try {
    await removeFailed(context, failed);
    // After a withdrawal no upload of the batch can commit: the next one opens another.
    upload.isAccounted = !(error instanceof UploadSuperseded);
  } catch (cause) {
    context.http.log.warn(
      { err: cause, file_id: upload.id },
      'the cleanup will remove a failed upload',
    );
  }
}

/** Withdraws the row first, so it cannot become ready without bytes. */
async function removeFailed(
  { data }: UploadContext,
  { upload, writer, error }: FailedUpload,
): Promise<void> {
  const mayHaveRow = upload.mayBePending || writer.isInDoubt();
  if (!upload.mayBePending && mayHaveRow) await insertFailedFile(data.db, newFileOf(upload));
  // The commit took place and its answer was lost: the file stays.
  if (mayHaveRow && !(await withdrawPendingFile(data.db, upload.id))) return;
  // The client must not wait for a second time-out of S3: the cleanup removes these bytes.
  if (isS3Unavailable(error) && writer.isInDoubt()) return;
  await writer.discard();
  if (mayHaveRow) await deleteOrphan(data.db, upload.object.key);
}
