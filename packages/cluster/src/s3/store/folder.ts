import { open } from 'node:fs/promises';

/** An open folder whose names can be flushed. */
export interface Folder {
  path: string;
  /** Resolves once all names are on the disk that the folder had at the call. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a folder. Without `durable` its names are not flushed. */
export async function openFolder(path: string, durable: boolean): Promise<Folder> {
  if (!durable) return { path, sync: async () => undefined, close: async () => undefined };
  const handle = await open(path, 'r');
  return { path, sync: shareFlush(() => handle.sync()), close: () => handle.close() };
}

/** Flushes the names of a folder that is not open. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

/**
 * Callers at the same time share a flush. A running one may have begun before a caller's change, so
 * the caller waits for the next.
 */
export function shareFlush(flush: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function start(): Promise<void> {
    next = undefined;
    const started = flush().finally(() => {
      if (running === started) running = undefined;
    });
    return (running = started);
  }

  return () => (running ? (next ??= running.then(start, start)) : start());
}
