import type { IncomingMessage } from 'node:http';

// Bodies in very small chunks would otherwise collect far more objects than bytes.
const BATCH_CHUNKS = 512;

/**
 * Reads a body in batches of at least `batchBytes`, except the last one. Batches cost a few promises
 * each: one for each chunk of 64 KiB took a tenth of the CPU of an upload.
 * Leaving the loop early does not destroy the socket: the error is still to be sent on it.
 */
export async function* readBatches(
  incoming: IncomingMessage,
  batchBytes: number,
): AsyncGenerator<Buffer[]> {
  let batch: Buffer[] = [];
  let bytes = 0;
  let wake = (): void => undefined;
  const isFull = (): boolean => bytes >= batchBytes || batch.length >= BATCH_CHUNKS;
  const onData = (chunk: Buffer): void => {
    batch.push(chunk);
    bytes += chunk.length;
    if (!isFull()) return;
    incoming.pause();
    wake();
  };
  // Not `wake` itself, which changes.
  const onEnd = (): void => wake();
  incoming.on('data', onData).on('end', onEnd).on('error', onEnd).on('close', onEnd);
  try {
    for (;;) {
      if (isFull() || (incoming.readableEnded && batch.length > 0)) {
        const full = batch;
        batch = [];
        bytes = 0;
        incoming.resume();
        yield full;
      } else if (incoming.readableEnded) {
        return;
      } else if (incoming.destroyed) {
        throw incoming.errored ?? new Error('The connection was closed.');
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    incoming.off('data', onData).off('end', onEnd).off('error', onEnd).off('close', onEnd);
  }
}
