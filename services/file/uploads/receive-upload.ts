import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { principalOf } from '@muniment/security';
import { uuidv7 } from '@muniment/database';
import type { FileContext } from '../app.ts';
import { uploadContent } from './digest-upload.ts';
import { FileMissing, UploadSuperseded } from '../errors.ts';
import { nameOfUpload } from '../files/file-name.ts';
import { servedMediaType, sniffMediaType } from '../files/media-type.ts';
import { insertPendingFile, markFileReady } from '../files/file-queries.ts';
import { deleteOrphan, touchPendingFile, withdrawPendingFile } from '../cleanup/cleanup-queries.ts';
import { parseForm } from './parse-form.ts';
import { createObjectWriter } from '../object-store/object-writer.ts';
import { isS3Unavailable } from '../object-store/unavailable.ts';
import type { ReadyFile } from '../tables.ts';

/** One upload on its way. */
interface Upload {
  id: string;
  /** Known once the file's part has begun. */
  file?: { name: string; declaredType: string };
  /** Known once S3 has been turned to. */
  mediaType?: string;
  pending: boolean;
}

/**
 * Receives a form with one file: a row `pending` first, then the bytes to S3, then row `ready` and FILE_UPLOAD in one transaction. When it
 * fails anywhere, nothing is left; where S3 or the database cannot be asked to forget, the settler will.
 */
export async function receiveUpload(
  server: FileContext,
  request: FastifyRequest,
): Promise<ReadyFile> {
  const { db, inTransaction, store, config, log } = server;
  const userId = principalOf(request).id;
  const created = new Date();
  const upload: Upload = { id: uuidv7(created.getTime()), pending: false };
  const key = randomUUID();
  const failure = new AbortController();
  let heartbeat: NodeJS.Timeout | undefined;

  const writer = createObjectWriter({
    store,
    key,
    failure,
    async begin(head) {
      if (!upload.file) throw new FileMissing();
      upload.mediaType = await sniffMediaType(head, upload.file.declaredType);
      // Assumed before it is known: an insert whose answer is lost may have taken place.
      upload.pending = true;
      if (
        !(await insertPendingFile(db, {
          id: upload.id,
          userId,
          name: upload.file.name,
          objectKey: key,
          created,
        }))
      )
        throw new UploadSuperseded();
      heartbeat = setInterval(
        () =>
          void touchPendingFile(db, upload.id).catch((error: unknown) =>
            log.warn({ err: error }, 'an upload could not show that it lives'),
          ),
        config.UPLOAD_ABANDONED_MS / 4,
      ).unref();
      return servedMediaType(upload.mediaType);
    },
  });

  /** The row first: once withdrawn it cannot become ready, and only then may its bytes go. */
  async function undo(error: unknown): Promise<void> {
    // A commit whose answer was lost took place all the same: then the file is whole, and stays.
    if (upload.pending && !(await withdrawPendingFile(db, upload.id))) return;
    // The client need not wait for a second time-out: the orphan's note is kept, and the settler asks S3 again.
    if (isS3Unavailable(error) && writer.isInDoubt()) return;
    await writer.discard();
    if (upload.pending) await deleteOrphan(db, key);
  }

  try {
    await parseForm(
      request,
      {
        begin({ filename, declaredType }) {
          upload.file = { name: nameOfUpload(filename), declaredType };
        },
        write: writer.write,
      },
      {
        maxBytes: config.UPLOAD_MAX_BYTES,
        idleMs: config.UPLOAD_IDLE_TIMEOUT_MS,
        signal: failure.signal,
      },
    );
    const written = await writer.finish();
    const { file, mediaType } = upload;
    if (!file || mediaType === undefined) throw new FileMissing();
    const { size, sha256, etag, versionId } = written;
    request.idempotency?.identify(uploadContent({ name: file.name, size, sha256 }));
    return await inTransaction(request, async (trx, record) => {
      const ready = await markFileReady(trx, {
        id: upload.id,
        size,
        sha256,
        etag,
        mimeType: mediaType,
        objectVersion: versionId,
      });
      if (!ready) throw new UploadSuperseded();
      await record({
        action: 'FILE_UPLOAD',
        resource: ready.id,
        resource_type: 'file',
        personal: { filename: file.name },
        metadata: { size },
      });
      return ready;
    });
  } catch (error) {
    await writer.release();
    await undo(error).catch((cause: unknown) => {
      log.warn(
        { err: cause, file_id: upload.id },
        'a failed upload could not be taken back; the settler will',
      );
    });
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}
