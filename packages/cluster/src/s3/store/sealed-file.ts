import { open, type FileHandle } from 'node:fs/promises';
import { writeChunks } from './write-chunks.ts';

// Format: data ‖ JSON record ‖ its length (4 bytes) ‖ mark.
// Both share a file, so that one rename publishes both.
const MARK = Buffer.from('MUS3');
const FOOTER_BYTES = 8;
// Holds most records, which saves a second read.
const TAIL_READ_BYTES = 2048;

/** An open file of this format. Its data starts at offset 0. The caller closes the handle. */
export interface SealedFile<R> {
  handle: FileHandle;
  record: R;
}

/** The end of a file of this format. */
export function encodeFooter(record: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(record));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([json, length, MARK]);
}

/** Writes data, then the record of `seal`. After an error the caller deletes the file. */
export async function writeSealed(
  path: string,
  file: { data: AsyncIterable<Buffer>; seal(): unknown; durable: boolean },
): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await writeChunks(handle, file.data, { position: 0, end: () => encodeFooter(file.seal()) });
    if (file.durable) await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Opens a file written by `writeSealed`; undefined when it does not exist. */
export async function openSealed<R>(path: string): Promise<SealedFile<R> | undefined> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const { size: total } = await handle.stat();
    let tail = await readTail(handle, total, TAIL_READ_BYTES);
    const length =
      tail.length < FOOTER_BYTES || !tail.subarray(-4).equals(MARK)
        ? -1
        : tail.readUInt32BE(tail.length - FOOTER_BYTES);
    if (length < 0 || length + FOOTER_BYTES > total)
      throw new Error(`${path} is not an object file.`);
    if (length + FOOTER_BYTES > tail.length)
      tail = await readTail(handle, total, length + FOOTER_BYTES);
    const record: R = JSON.parse(
      tail.toString('utf8', tail.length - FOOTER_BYTES - length, tail.length - FOOTER_BYTES),
    );
    return { handle, record };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Reads only the record; undefined when the file does not exist. */
export async function readRecord<R>(path: string): Promise<R | undefined> {
  const file = await openSealed<R>(path);
  await file?.handle.close();
  return file?.record;
}

async function readTail(handle: FileHandle, total: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.min(total, bytes));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, total - buffer.length);
  return buffer.subarray(0, bytesRead);
}
