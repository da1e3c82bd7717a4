import { chmodSync, closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Replaces a file in one step, so that no reader sees a part of it. Its mode is 0600 or `mode`.
 * With `durable` the file and its name are on the disk when this returns.
 */
export function writeAtomically(
  file: string,
  text: string,
  options: { durable?: boolean; mode?: number } = {},
): void {
  const partial = `${file}.${process.pid}.new`;
  // Flushed before the rename: the new name must not reach the disk before its content.
  writeFileSync(partial, text, { mode: 0o600, flush: options.durable ?? false });
  // Not by writeFileSync alone: the umask would take from it.
  if (options.mode !== undefined) chmodSync(partial, options.mode);
  renameSync(partial, file);
  if (options.durable) syncFolder(path.dirname(file));
}

/** Flushes the names in a folder. Skips a folder that this user may not read. */
export function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return;
    throw error;
  }
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
