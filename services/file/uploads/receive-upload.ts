import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { uuidv7 } from '@muniment/database';
import { principalOf } from '@muniment/security';
import { deleteOrphan } from '../cleanup/orphan-queries.ts';
import { touchPendingFile, withdrawPendingFile } from '../cleanup/pending-file-queries.ts';
import type { FileContext } from '../context.ts';
import { FileMissing, UploadSuperseded } from '../errors.ts';
import { fileUploaded } from '../files/file-events.ts';
import { nameOfUpload } from '../files/file-name.ts';
import { insertPendingFile, markFileReady, type StoredFile } from '../files/file-queries.ts';
import { servedMediaType, sniffMediaType } from '../files/media-type.ts';
import {
  createObjectWriter,
  type ObjectWriter,
  type WrittenObject,
} from '../object-store/object-writer.ts';
import { isS3Unavailable } from '../object-store/unavailable.ts';
import type { ReadyFile } from '../tables.ts';
import { uploadContent } from './digest-upload.ts';
import { parseForm } from './parse-form.ts';

type UploadContext = Pick<FileContext, 'http' | 'data' | 'config' | 'store'>;

/** One upload in progress. */
interface Upload {
  id: string;
  userId: string;
  created: Date;
  /** The object's key in S3. */
  key: string;
  /** Known once the form's file part has begun. */
  file?: { name: string; declaredType: string };
  /** Known once the first bytes were read. */
  mediaType?: string;
  /** Set before the insert, which may succeed although its answer is lost. */
  mayHaveRow: boolean;
  heartbeat?: NodeJS.Timeout;
  /** Aborted when the upload cannot succeed any more. */
  failure: AbortController;
}

/**
 * Receives one file: row `pending`, bytes to S3, then row `ready` with FILE_UPLOAD in one
 * transaction. A failure removes row and bytes, or leaves them to the cleanup.
 */
export async function receiveUpload(
  context: UploadContext,
  request: FastifyRequest,
): Promise<ReadyFile> {
  const upload = createUpload(request);
  const { failure, key, userId: owner } = upload;
  const onHead = (head: Buffer): Promise<string> => insertPending(context, upload, head);
  const writer = createObjectWriter({ store: context.store, key, owner, failure, onHead });
  try {
    await readForm(context, request, { upload, writer });
    const written = await writer.finish();
    return await commitFile(context, request, { upload, written });
  } catch (error) {
    await writer.release();
    await undoUpload(context, { upload, writer, error });
    throw error;
  } finally {
    clearInterval(upload.heartbeat);
  }
}

function createUpload(request: FastifyRequest): Upload {
  const created = new Date();
  return {
    id: uuidv7(created.getTime()),
    userId: principalOf(request).id,
    created,
    key: randomUUID(),
    mayHaveRow: false,
    failure: new AbortController(),
  };
}

function readForm(
  { config }: UploadContext,
  request: FastifyRequest,
  { upload, writer }: { upload: Upload; writer: ObjectWriter },
): Promise<void> {
  const sink = {
    begin({ filename, declaredType }: { filename: string; declaredType: string }) {
      upload.file = { name: nameOfUpload(filename), declaredType };
    },
    write: writer.write,
  };
  return parseForm(request, sink, {
    maxBytes: config.UPLOAD_MAX_BYTES,
    idleMs: config.UPLOAD_IDLE_TIMEOUT_MS,
    signal: upload.failure.signal,
  });
}

/** Inserts the pending row and its heartbeat. @returns the media type */
async function insertPending(
  context: UploadContext,
  upload: Upload,
  head: Buffer,
): Promise<string> {
  if (!upload.file) throw new FileMissing();
  const { id, userId, key: objectKey, created, file } = upload;
  upload.mediaType = await sniffMediaType(head, file.declaredType);
  upload.mayHaveRow = true;
  const row = { id, userId, name: file.name, objectKey, created };
  if (!(await insertPendingFile(context.data.db, row))) throw new UploadSuperseded();
  upload.heartbeat = startHeartbeat(context, id);
  return servedMediaType(upload.mediaType);
}

function startHeartbeat({ http, data, config }: UploadContext, id: string): NodeJS.Timeout {
  const touch = (): void => {
    touchPendingFile(data.db, id).catch((error: unknown) =>
      http.log.warn({ err: error }, 'the heartbeat of an upload failed'),
    );
  };
  return setInterval(touch, config.UPLOAD_ABANDONED_MS / 4).unref();
}

async function commitFile(
  { data }: UploadContext,
  request: FastifyRequest,
  { upload, written }: { upload: Upload; written: WrittenObject },
): Promise<ReadyFile> {
  const { id, file, mediaType } = upload;
  if (!file || mediaType === undefined) throw new FileMissing();
  const { size, sha256, etag, versionId: objectVersion } = written;
  // The content that the Idempotency-Key stands for is known only now.
  request.idempotency?.identify(uploadContent({ name: file.name, size, sha256 }));
  const stored: StoredFile = { id, size, sha256, etag, mimeType: mediaType, objectVersion };
  return data.inTransaction(request, async (trx, record) => {
    const ready = await markFileReady(trx, stored);
    if (!ready) throw new UploadSuperseded();
    await record(fileUploaded(ready));
    return ready;
  });
}

interface FailedUpload {
  upload: Upload;
  writer: ObjectWriter;
  error: unknown;
}

async function undoUpload(context: UploadContext, failed: FailedUpload): Promise<void> {
  const { id } = failed.upload;
  await removeFailed(context, failed).catch((error: unknown) =>
    context.http.log.warn({ err: error, file_id: id }, 'the cleanup will remove a failed upload'),
  );
}

/** Withdraws the row first, so it cannot become ready without bytes. */
async function removeFailed(
  { data }: UploadContext,
  { upload, writer, error }: FailedUpload,
): Promise<void> {
  // The commit took place and its answer was lost: the file stays.
  if (upload.mayHaveRow && !(await withdrawPendingFile(data.db, upload.id))) return;
  // The client must not wait for a second time-out of S3: the cleanup removes these bytes.
  if (isS3Unavailable(error) && writer.isInDoubt()) return;
  await writer.discard();
  if (upload.mayHaveRow) await deleteOrphan(data.db, upload.key);
}
