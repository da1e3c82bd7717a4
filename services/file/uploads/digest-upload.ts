import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import { FileMissing } from '../errors.ts';
import { nameOfUpload } from '../files/file-name.ts';
import { parseForm } from './parse-form.ts';

export interface UploadedContent {
  name: string;
  size: number;
  /** Lower case hex. */
  sha256: string;
}

/** The content behind an Idempotency-Key, without the type, which clients guess. */
export const uploadContent = ({ name, size, sha256 }: UploadedContent): string =>
  JSON.stringify([name, size, sha256]);

/** Takes a file without storing it. */
export function createDigest() {
  const hash = createHash('sha256');
  let name: string | undefined;
  let size = 0;
  return {
    begin({ filename }: { filename: string }): void {
      name = nameOfUpload(filename);
    },
    async write(chunk: Buffer): Promise<void> {
      hash.update(chunk);
      size += chunk.length;
    },
    async finish(): Promise<UploadedContent> {
      if (name === undefined) throw new FileMissing();
      return { name, size, sha256: hash.digest('hex') };
    },
  };
}

/**
 * Reads a form without storing it, to compare uploads under one key.
 * @throws as `parseForm`, and NameInvalid
 */
export async function digestUpload(
  config: Pick<Config, 'UPLOAD_MAX_BYTES' | 'UPLOAD_IDLE_TIMEOUT_MS'>,
  request: FastifyRequest,
): Promise<string> {
  const digest = createDigest();
  await parseForm(request, digest, {
    maxBytes: config.UPLOAD_MAX_BYTES,
    idleMs: config.UPLOAD_IDLE_TIMEOUT_MS,
    signal: new AbortController().signal,
  });
  return uploadContent(await digest.finish());
}
