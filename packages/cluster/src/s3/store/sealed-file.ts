import { open, rename, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

// data ‖ JSON record ‖ its length (4 bytes) ‖ mark. Bytes and metadata in one file, so that one rename shows both or
// neither, and a reader that has opened the file keeps a consistent pair however often the object is replaced.
const mark = Buffer.from('MUS3');
const footerBytes = 8;
const guessedRecordBytes = 2048;

/** An open file of this format: `size` bytes of data from offset 0. Its holder closes the handle. */
export type SealedFile<R> = { handle: FileHandle; size: number; record: R };

/**
 * Writes data and then the record that `seal` makes of it to a new file at `path`, and flushes both to the disk.
 * On an error the file stays behind, incomplete, for the caller to remove.
 */
export async function writeSealed(
  path: string,
  data: AsyncIterable<Buffer>,
  seal: () => unknown,
  durable: boolean,
): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(data);
    const record = Buffer.from(JSON.stringify(seal()));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(record.length);
    await handle.writeFile(Buffer.concat([record, length, mark]));
    if (durable) await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Opens a file written by `writeSealed`; undefined when there is none. */
export async function openSealed<R>(path: string): Promise<SealedFile<R> | undefined> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const { size: total } = await handle.stat();
    let tail = await readTail(handle, total, guessedRecordBytes);
    const length =
      tail.length < footerBytes || !tail.subarray(-4).equals(mark)
        ? -1
        : tail.readUInt32BE(tail.length - footerBytes);
    if (length < 0 || length + footerBytes > total) throw new Error(`not an object file: ${path}`);
    if (length + footerBytes > tail.length)
      tail = await readTail(handle, total, length + footerBytes);
    const record: R = JSON.parse(
      tail.toString('utf8', tail.length - footerBytes - length, tail.length - footerBytes),
    );
    return { handle, size: total - footerBytes - length, record };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Only the record; undefined when there is no such file. */
export async function readRecord<R>(path: string): Promise<R | undefined> {
  const file = await openSealed<R>(path);
  await file?.handle.close();
  return file?.record;
}

/** Moves a flushed file to its name. Without the flush of the folder, a power cut could undo the rename. */
export async function publish(temporary: string, path: string, durable: boolean): Promise<void> {
  await rename(temporary, path);
  if (durable) await syncFolder(dirname(path));
}

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readTail(handle: FileHandle, total: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.min(total, bytes));
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, total - buffer.length);
  return buffer.subarray(0, bytesRead);
}
