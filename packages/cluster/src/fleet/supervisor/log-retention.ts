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
const LIMIT_BYTES = 64 * 1024 * 1024;

/** What stands beside a log: rotated here, moved aside at a restart, or kept by logrotate. */
const asideOf = (file: string): string[] => {
  const folder = path.dirname(file);
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${path.basename(file)}.`))
    .map((name) => path.join(folder, name));
};

const startOfDay = (at: Date): number => at.getTime() - (at.getTime() % DAY_MS);

/** What a process wrote while its log was being copied. */
function appendRest(from: string, to: string): number {
  const copied = statSync(to).size;
  const rest = Buffer.alloc(Math.max(0, statSync(from).size - copied));
  const fd = openSync(from, 'r');
  try {
    appendFileSync(to, rest.subarray(0, readSync(fd, rest, 0, rest.length, copied)));
  } finally {
    closeSync(fd);
  }
  return copied + rest.length;
}

/** Copies the log beside itself and empties it in place: the processes have it open, to append. */
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
  if (size > LIMIT_BYTES) return true;
  const today = startOfDay(now);
  return birthtimeMs < today && !aside.some((name) => statSync(name).mtimeMs >= today);
}

/**
 * Begins each log anew once a day (UTC), or when it passes 64 MiB, and removes what has stood beside it for `days`: so a line is kept for `days` after
 * the day on which it was written, and a day at most on top. 0 leaves it all to somebody else.
 */
export function rotateLogs(files: readonly string[], days: number, now = new Date()): void {
  if (days === 0) return;
  for (const file of files) {
    if (!existsSync(path.dirname(file))) continue;
    if (existsSync(file) && isDue(file, asideOf(file), now)) moveAside(file, now);
    for (const name of asideOf(file))
      if (statSync(name).mtimeMs < startOfDay(now) - (days - 1) * DAY_MS) rmSync(name);
  }
}
