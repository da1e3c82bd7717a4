import type { FastifyRequest } from 'fastify';
import { principalOf } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { Transaction } from 'kysely';
import { fileUploaded } from '../files/file-events.ts';
import type { ReadyFile, Tables } from '../tables.ts';
import { uploadContent } from './digest-upload.ts';
import { openUpload, type FileUpload, type UploadContext } from './file-upload.ts';
import { parseForm } from './parse-form.ts';

/** Receives one file: bytes to S3, then row `ready` with FILE_UPLOAD in one transaction. */
export async function receiveUpload(
  context: UploadContext,
  request: FastifyRequest,
): Promise<ReadyFile> {
  const failure = new AbortController();
  const upload = await openUpload(context, { owner: principalOf(request).id, failure });
  const read = async (): Promise<void> => {
    await parseForm(request, upload, {
      maxBytes: context.config.UPLOAD_MAX_BYTES,
      idleMs: context.config.UPLOAD_IDLE_TIMEOUT_MS,
      signal: failure.signal,
    });
    const content = uploadContent(await upload.finish());
    // The content that the Idempotency-Key stands for is known only now.
    request.idempotency?.identify(content);
  };
  const [ready] = await storeUploads(context, request, { uploads: [upload], read });
  if (!ready) throw new Error('a form with a file was stored without it');
  return ready;
}

export interface Uploads {
  /** Those that `read` opens come in by and by. */
  uploads: readonly FileUpload[];
  /** Resolves once S3 has all bytes of all uploads. */
  read(): Promise<void>;
  /** Called for each file, within the transaction that makes them ready. */
  onReady?: (trx: Transaction<Tables>, file: ReadyFile) => Promise<void>;
}

/**
 * Makes files of uploads, each with its event, in one transaction. A failure removes all rows and
 * bytes, or leaves them to the cleanup.
 */
export async function storeUploads(
  context: UploadContext,
  request: RequestContext,
  { uploads, read, onReady }: Uploads,
): Promise<ReadyFile[]> {
  try {
    await read();
    const ready = await commitUploads(context, request, { uploads, ...(onReady && { onReady }) });
    for (const upload of uploads) upload.settle();
    return ready;
  } catch (error) {
    for (const upload of uploads) await upload.undo(error);
    throw error;
  } finally {
    for (const upload of uploads) upload.close();
  }
}

async function commitUploads(
  { data }: Pick<UploadContext, 'data'>,
  request: RequestContext,
  { uploads, onReady }: Omit<Uploads, 'read'>,
): Promise<ReadyFile[]> {
  if (uploads.length === 0) return [];
  return data.inTransaction(request, async (trx, record) => {
    const files: ReadyFile[] = [];
    for (const upload of uploads) {
      const file = await upload.commit(trx);
      await onReady?.(trx, file);
      await record(fileUploaded(file));
      files.push(file);
    }
    return files;
  });
}
