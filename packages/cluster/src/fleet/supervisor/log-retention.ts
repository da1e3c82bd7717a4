import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readSync,
  openSync,
  closeSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import path from 'node:path';

const DAY_MS = 24 * 60 * 60_000;
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/** Rotated files of a log: by this module, by openLog, or by logrotate. */
function rotatedFiles(file: string): string[] {
  const folder = path.dirname(file);
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${path.basename(file)}.`))
    .map((name) => path.join(folder, name));
}

const startOfDay = (at: Date): number => at.getTime() - (at.getTime() % DAY_MS);

/** Appends what the process wrote while its log was copied. */
function appendRest(from: string, to: string): void {
  const copied = statSync(to).size;
  const rest = Buffer.alloc(Math.max(0, statSync(from).size - copied));
  const fd = openSync(from, 'r');
  try {
    appendFileSync(to, rest.subarray(0, readSync(fd, rest, 0, rest.length, copied)));
  } finally {
    closeSync(fd);
  }
}

/** Copies the log and empties it in place, since its process has it open. */
function moveAside(file: string, now: Date): void {
  const aside = `${file}.${now.toISOString().replaceAll(':', '').slice(0, 17)}`;
  copyFileSync(file, aside);
  appendRest(file, aside);
  truncateSync(file);
  utimesSync(aside, now, now);
}

function isDue(file: string, aside: readonly string[], now: Date): boolean {
  const { size, birthtimeMs } = statSync(file);
  if (size === 0) return false;
  if (size > MAX_LOG_BYTES) return true;
  const today = startOfDay(now);
  return birthtimeMs < today && !aside.some((name) => statSync(name).mtimeMs >= today);
}

/**
 * Rotates each log once a day (UTC) or over 64 MiB, and deletes rotated files older than `days`.
 * A line is kept for `days` after its day, and at most one day longer. 0: does nothing.
 */
export function rotateLogs(files: readonly string[], days: number, now = new Date()): void {
  if (days === 0) return;
  for (const file of files) {
    if (!existsSync(path.dirname(file))) continue;
    if (existsSync(file) && isDue(file, rotatedFiles(file), now)) moveAside(file, now);
    for (const name of rotatedFiles(file))
      if (statSync(name).mtimeMs < startOfDay(now) - (days - 1) * DAY_MS) rmSync(name);
  }
}
