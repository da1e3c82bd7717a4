import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const WINDOW_BYTES = 16 * 1024;

/** The last lines of a log, read from its last 16 KiB. Empty when it does not exist. */
export function lastLines(file: string, count: number): string[] {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, WINDOW_BYTES));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-count);
  } finally {
    closeSync(fd);
  }
}
