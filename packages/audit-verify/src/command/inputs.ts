import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parseVerifierKey, type VerifierKey } from '../log/note.ts';

const READ_BYTES = 1 << 18;

/** Ends the command with 2. */
export class UsageError extends Error {}

export async function read(file: string, what: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`the ${what} cannot be read: ${error.message}`);
  });
}

export async function readKeys(file: string): Promise<VerifierKey[]> {
  const lines = (await read(file, 'key'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new UsageError(`there is no key in ${file}`);
  try {
    return lines.map(parseVerifierKey);
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export async function readProof(file: string): Promise<string[]> {
  const text = await read(file, 'proof of consistency');
  try {
    const { hashes } = JSON.parse(text) as { hashes?: unknown };
    if (Array.isArray(hashes) && hashes.every((hash) => typeof hash === 'string')) return hashes;
  } catch {
    // Reported below.
  }
  throw new UsageError(`${file} is not an answer of GET /api/audit/consistency`);
}

/** The bytes of a file, decompressed where they begin as gzip does. */
export async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  const source =
    file === '-' ? process.stdin : createReadStream(file, { highWaterMark: READ_BYTES });
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let begin = Buffer.alloc(0);
  let isOver = false;
  while (begin.length < 2 && !isOver) {
    const { value, done } = await iterator.next();
    if (done) isOver = true;
    else begin = Buffer.concat([begin, value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield begin;
    if (!isOver)
      for (let next = await iterator.next(); !next.done; next = await iterator.next())
        yield next.value;
  }
  if (begin[0] !== 0x1f || begin[1] !== 0x8b) yield* all();
  else
    yield* pipeline(
      all(),
      createGunzip({ chunkSize: READ_BYTES }),
      () => {},
    ) as AsyncIterable<Uint8Array>;
}

/** Whether the file could not be read. Errors of its content are findings instead. */
export const isFileError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error;

/** The earlier checkpoint and the proof of consistency, where the caller names them. */
export async function readEarlier(values: {
  checkpoint?: string | undefined;
  consistency?: string | undefined;
}): Promise<{ earlier: string | undefined; consistencyProof: string[] | undefined }> {
  const { checkpoint, consistency } = values;
  return {
    earlier: checkpoint === undefined ? undefined : await read(checkpoint, 'checkpoint'),
    consistencyProof: consistency === undefined ? undefined : await readProof(consistency),
  };
}
