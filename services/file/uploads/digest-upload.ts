import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import { FileMissing } from '../errors.ts';
import { nameOfUpload } from '../files/file-name.ts';
import { parseForm } from './parse-form.ts';

/** The content behind an Idempotency-Key, without the type, which clients guess. */
export const uploadContent = ({
  name,
  size,
  sha256,
}: {
  name: string;
  size: number;
  sha256: string;
}): string => JSON.stringify([name, size, sha256]);

/**
 * Reads a form without storing it, to compare uploads under one key.
 * @throws as `parseForm`, and NameInvalid
 */
export async function digestUpload(
  config: Pick<Config, 'UPLOAD_MAX_BYTES' | 'UPLOAD_IDLE_TIMEOUT_MS'>,
  request: FastifyRequest,
): Promise<string> {
  const hash = createHash('sha256');
  let name: string | undefined;
  let size = 0;
  await parseForm(
    request,
    {
      begin({ filename }) {
        name = nameOfUpload(filename);
      },
      async write(chunk) {
        hash.update(chunk);
        size += chunk.length;
      },
    },
    {
      maxBytes: config.UPLOAD_MAX_BYTES,
      idleMs: config.UPLOAD_IDLE_TIMEOUT_MS,
      signal: new AbortController().signal,
    },
  );
  if (name === undefined) throw new FileMissing();
  return uploadContent({ name, size, sha256: hash.digest('hex') });
}
