import type { IncomingMessage } from 'node:http';
import { UploadTimeout } from '../errors.ts';

export interface BodyTimeout {
  /** Bytes that have come so far. */
  received(): number;
  /** Rejects with what ends the reading before the body does; never resolves. */
  readonly ended: Promise<never>;
  /** Ends the reading with the error. */
  end(error: unknown): void;
  /** No further watching. */
  close(): void;
}

export interface BodyTimeoutOptions {
  /** Longest silence of the client, in milliseconds. */
  idleMs: number;
  /** Ends the wait for a client that has nothing to say to an upload that has failed. */
  signal: AbortSignal;
  /** Told of each piece as it comes. */
  onData(received: number): void;
  /** Told of the error, once. */
  onEnd(error: Error): void;
}

/**
 * Watches a body that something else reads: whether its client is silent, and how much it has sent. To be called once that reader is
 * attached, since it sets the body flowing. The connection stays as it is, so that an answer can still be sent on it.
 */
export function startBodyTimeout(
  body: IncomingMessage,
  { idleMs, signal, onData, onEnd }: BodyTimeoutOptions,
): BodyTimeout {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  // Nobody waits for it while a write is under way.
  ended.catch(() => undefined);
  let received = 0;

  function end(cause: unknown): void {
    close();
    const error = cause instanceof Error ? cause : new Error('the upload has failed', { cause });
    reject(error);
    onEnd(error);
  }
  let silent: NodeJS.Immediate | undefined;
  const idle = setTimeout(() => {
    // Timers come before sockets: where this process itself stood still, the bytes may be waiting.
    silent = setImmediate(() => {
      // While we hold it back, the silence is ours.
      if (body.isPaused()) idle.refresh();
      else end(new UploadTimeout());
    });
  }, idleMs);
  const refresh = (): void => {
    clearImmediate(silent);
    idle.refresh();
  };
  const onChunk = (chunk: Buffer): void => {
    refresh();
    received += chunk.length;
    onData(received);
  };
  const stopIdle = (): void => {
    clearTimeout(idle);
    clearImmediate(silent);
  };
  const onAbort = (): void => end(signal.reason);

  function close(): void {
    stopIdle();
    body.off('data', onChunk).off('resume', refresh).off('end', stopIdle);
    signal.removeEventListener('abort', onAbort);
  }
  body.on('data', onChunk).on('resume', refresh).on('end', stopIdle);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return { received: () => received, ended, end, close };
}
