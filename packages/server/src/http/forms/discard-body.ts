import type { IncomingMessage } from 'node:http';

/** How long a refused body is read, so its client sees the answer. */
const LINGER_MS = 5_000;

/** Reads and drops what is left of a body that the handler has read itself. */
export function discardBody(body: IncomingMessage): void {
  if (body.readableEnded || body.destroyed) return;
  // What it was piped to would hold it back.
  body.unpipe();
  body.on('error', () => undefined).resume();
  setTimeout(() => {
    if (!body.complete) body.destroy();
  }, LINGER_MS).unref();
}
