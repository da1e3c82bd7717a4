import { mkdirSync, openSync, readdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';

const LIMIT_BYTES = 64 * 1024 * 1024;
// As many as docker/logs/logrotate-muniment.conf keeps.
const KEPT = 14;

/** Descriptor to append to a process's log; one that is over 64 MiB becomes `<name>.log.1` first. */
export function openLog(file: string, limit = LIMIT_BYTES): number {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > limit) moveAside(file);
  return openSync(file, 'a', 0o600);
}

// With logrotate's own numbers, and the older ones moved on as it does: yesterday's log must not be written over.
function moveAside(file: string): void {
  const older = readdirSync(path.dirname(file)).flatMap((name) => {
    const [, number, ending] = name.startsWith(`${path.basename(file)}.`)
      ? (/^\.(\d+)(\.gz)?$/.exec(name.slice(path.basename(file).length)) ?? [])
      : [];
    return number === undefined || Number(number) >= KEPT
      ? []
      : [{ number: Number(number), ending: ending ?? '' }];
  });
  for (const { number, ending } of older.toSorted((a, b) => b.number - a.number))
    renameSync(`${file}.${number}${ending}`, `${file}.${number + 1}${ending}`);
  renameSync(file, `${file}.1`);
}
