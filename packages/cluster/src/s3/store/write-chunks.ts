import type { FileHandle } from 'node:fs/promises';

// One write of 512 KiB takes the place of eight of a socket's 64 KiB each.
const BATCH_BYTES = 512 * 1024;
// Below IOV_MAX, for a body that comes in very small chunks.
const BATCH_CHUNKS = 512;

/**
 * Writes chunks one after another from `position`; one batch is written while the next is received.
 * `end` gives the last chunk, once all others are known. Nothing is being written any more when
 * this resolves or rejects.
 */
export async function writeChunks(
  handle: FileHandle,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  { position, end }: { position: number; end?: () => Buffer },
): Promise<void> {
  let batch: Buffer[] = [];
  let bytes = 0;
  let writing: Promise<number> = Promise.resolve(position);

  function flush(): void {
    const full = batch;
    writing = writing.then((at) => writeAll(handle, full, at));
    // The next `await writing` shows the error.
    writing.catch(() => undefined);
    batch = [];
    bytes = 0;
  }

  try {
    for await (const chunk of chunks) {
      batch.push(chunk);
      bytes += chunk.length;
      if (bytes < BATCH_BYTES && batch.length < BATCH_CHUNKS) continue;
      await writing;
      flush();
    }
    if (end) batch.push(end());
    flush();
  } finally {
    await writing;
  }
}

/** @returns the position behind the last byte */
async function writeAll(handle: FileHandle, buffers: Buffer[], position: number): Promise<number> {
  let rest = buffers.filter((buffer) => buffer.length > 0);
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, at);
    at += bytesWritten;
    rest = dropBytes(rest, bytesWritten);
  }
  return at;
}

function dropBytes(buffers: Buffer[], count: number): Buffer[] {
  let left = count;
  return buffers.flatMap((buffer) => {
    const dropped = Math.min(left, buffer.length);
    left -= dropped;
    return dropped === buffer.length ? [] : [buffer.subarray(dropped)];
  });
}
