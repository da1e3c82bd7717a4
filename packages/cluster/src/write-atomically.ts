import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Replaces the file in one step, mode 0600: a reader sees the old or the new text, never a part. With `durable` it and
 * its name are on the disk when this returns; without, a power cut may leave the file empty or the old one in place.
 */
export function writeAtomically(
  file: string,
  text: string,
  options: { durable?: boolean } = {},
): void {
  const partial = `${file}.${process.pid}.new`;
  // flush: fsync before the rename, or the new name may come to the disk before its content.
  writeFileSync(partial, text, { mode: 0o600, flush: options.durable ?? false });
  renameSync(partial, file);
  if (options.durable) syncFolder(path.dirname(file));
}

/** Brings the names in a folder to the disk. A folder that this user may not read is left: nothing was made in it by us. */
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
