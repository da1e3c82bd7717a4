import { open } from 'node:fs/promises';

/** An open folder whose names can be flushed. */
export interface Folder {
  path: string;
  /** Resolves once all names are on the disk that the folder had at the call. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a folder. Callers of `sync` at the same time share a flush: 16 uploads at a time need some
 * three flushes. Without `durable` there are none.
 */
export async function openFolder(path: string, durable: boolean): Promise<Folder> {
  if (!durable) return { path, sync: async () => undefined, close: async () => undefined };
  const handle = await open(path, 'r');
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  function start(): Promise<void> {
    next = undefined;
    const flush = handle.sync().finally(() => {
      if (running === flush) running = undefined;
    });
    return (running = flush);
  }

  return {
    path,
    // A running flush may have begun before this caller's change, so it does not count.
    sync: () => (running ? (next ??= running.then(start, start)) : start()),
    close: () => handle.close(),
  };
}

/** Flushes the names of a folder that is not open. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await openFolder(path, true);
  await folder.sync().finally(() => folder.close());
}
