import type { ServerResponse } from 'node:http';
import { returnBlock, takeBlock } from '../store/block-pool.ts';
import type { Extent } from '../store/extent.ts';
import { readFully, splitExtents } from '../store/read-extents.ts';
import { closeSealed, type SealedFile } from '../store/sealed-file.ts';

/** Sends pieces of a stored object as the body of an answer, and closes it. */
export async function sendObject(
  response: ServerResponse,
  object: SealedFile<unknown>,
  extents: Extent[],
): Promise<void> {
  const { content } = object;
  if ('block' in content) {
    // One write with the headers. What a client that has gone did not get is left to the collector.
    response.cork();
    for (const { start, size } of extents)
      response.write(content.block.subarray(start, start + size));
    response.end(() => closeSealed(object));
    return;
  }
  try {
    await sendExtents(response, content.fd, extents);
  } finally {
    closeSealed(object);
  }
}

/** Two blocks take turns: one is read while the other is sent. */
async function sendExtents(response: ServerResponse, fd: number, extents: Extent[]): Promise<void> {
  let sent: Promise<void> = Promise.resolve();
  try {
    for (const { start, size } of splitExtents(extents)) {
      const block = takeBlock();
      const piece = block.subarray(0, size);
      await readFully(fd, piece, start);
      await sent;
      sent = write(response, piece).then(() => returnBlock(block));
      // The next `await sent` shows the error.
      sent.catch(() => undefined);
    }
  } finally {
    await sent;
  }
  response.end();
}

/** Resolves once the chunk may be reused. */
function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
