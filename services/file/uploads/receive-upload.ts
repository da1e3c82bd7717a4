import type { FastifyRequest } from 'fastify';
import { uuidv7 } from '@muniment/database';
import { principalOf } from '@muniment/security';
import { deleteOrphan } from '../cleanup/orphan-queries.ts';
import {
  insertFailedFile,
  touchPendingFile,
  withdrawPendingFile,
} from '../cleanup/pending-file-queries.ts';
import type { FileContext } from '../context.ts';
import { FileMissing, UploadSuperseded } from '../errors.ts';
import { fileUploaded } from '../files/file-events.ts';
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
import type { ReadyFile } from '../tables.ts';
import { uploadContent } from './digest-upload.ts';
import { parseForm } from './parse-form.ts';

type UploadContext = Pick<FileContext, 'http' | 'data' | 'config' | 'store' | 'batches'>;

/** One upload in progress. */
interface Upload {
  id: string;
  userId: string;
  created: Date;
  object: BatchedObject;
  /** Known once the form's file part has begun. */
  file?: { name: string; declaredType: string };
  /** Known once the first bytes were read. */
  mediaType?: string;
  /** Set before the insert of a pending row, which may succeed although its answer is lost. */
  mayBePending: boolean;
  heartbeat?: NodeJS.Timeout;
  /** Aborted when the upload cannot succeed any more. */
  failure: AbortController;
  /** Whether a row names the object, or S3 has nothing of it. */
  isAccounted: boolean;
}

/**
 * Receives one file: bytes to S3, then row `ready` with FILE_UPLOAD in one transaction. Until then
 * its batch names the object, and that of parts a row `pending` too. A failure removes row and
 * bytes, or leaves them to the cleanup.
 */
export async function receiveUpload(
  context: UploadContext,
  request: FastifyRequest,
): Promise<ReadyFile> {
  const upload = await startUpload(context, request);
  const { failure, object, userId: owner } = upload;
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
  try {
    await readForm(context, request, { upload, writer });
    const written = await writer.finish();
    const ready = await commitFile(context, request, { upload, written });
    upload.isAccounted = true;
    return ready;
  } catch (error) {
    await writer.release();
    await undoUpload(context, { upload, writer, error });
    throw error;
  } finally {
    clearInterval(upload.heartbeat);
    object.leave(upload.isAccounted);
  }
}

async function startUpload({ batches }: UploadContext, request: FastifyRequest): Promise<Upload> {
  const created = new Date();
  return {
    id: uuidv7(created.getTime()),
    userId: principalOf(request).id,
    created,
    object: await batches.join(),
    mayBePending: false,
    failure: new AbortController(),
    isAccounted: false,
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

/** @returns the media type that S3 and downloads serve */
async function readHead(upload: Upload, head: Buffer): Promise<string> {
  if (!upload.file) throw new FileMissing();
  upload.mediaType = await sniffMediaType(head, upload.file.declaredType);
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
    const ready = await (upload.mayBePending
      ? markFileReady(trx, stored)
      : insertReadyFile(trx, { ...newFileOf(upload), ...stored }, upload.object.batchId));
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
