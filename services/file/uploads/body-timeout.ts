import type { IncomingMessage } from 'node:http';
import { UploadTimeout } from '../errors.ts';

export interface BodyTimeout {
  /** Bytes received so far. */
  received(): number;
  /** Rejects when the reading ends before the body; never resolves. */
  readonly ended: Promise<never>;
  end(error: unknown): void;
  close(): void;
}

export interface BodyTimeoutOptions {
  /** Longest silence of the client, in milliseconds. */
  idleMs: number;
  /** Ends the wait for the client of a failed upload. */
  signal: AbortSignal;
  onData(received: number): void;
  /** Called once. */
  onEnd(error: Error): void;
}

/**
 * Watches a parser's body for a silent client and for its size. Call it after attaching the parser,
 * since it starts the flow.
 */
export function startBodyTimeout(
  body: IncomingMessage,
  { idleMs, signal, onData, onEnd }: BodyTimeoutOptions,
): BodyTimeout {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  // Nobody awaits it during a write.
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
    // Timers run before sockets, so bytes may be waiting after a stall.
    silent = setImmediate(() => {
      // While we hold the client back, the silence is ours.
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
