import type { IncomingMessage } from 'node:http';
import { UploadCutOff, UploadTimeout } from './errors.ts';

/**
 * The body of a request in the pieces in which it comes, read only as fast as they are taken. Leaving the loop early leaves the
 * connection alone, so that an answer can still be sent on it; `for await` over the request itself would destroy it.
 * @param idleMs longest silence of the client
 * @param signal ends the wait for a client that has nothing to say to an upload that has failed
 * @throws UploadCutOff when the client goes away, UploadTimeout when it stays silent, the signal's reason when that is aborted
 */
export async function* requestChunks(body: IncomingMessage, idleMs: number, signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  let wake = (): void => {};
  let silent = false;
  const onEvent = (): void => wake();
  const idle = setTimeout(() => {
    silent = true;
    wake();
  }, idleMs);
  body.on('readable', onEvent).on('end', onEvent).on('close', onEvent).on('error', onEvent);
  signal.addEventListener('abort', onEvent);
  try {
    for (;;) {
      signal.throwIfAborted();
      const chunk: Buffer | null = body.read();
      if (chunk !== null) {
        yield chunk;
        // The time in which nobody read is not the client's silence.
        silent = false;
        idle.refresh();
        continue;
      }
      if (body.readableEnded) return;
      if (body.destroyed || body.errored) throw new UploadCutOff();
      if (silent) throw new UploadTimeout();
      await new Promise<void>((resolve) => { wake = resolve; });
    }
  } finally {
    clearTimeout(idle);
    body.off('readable', onEvent).off('end', onEvent).off('close', onEvent).off('error', onEvent);
    signal.removeEventListener('abort', onEvent);
  }
}
