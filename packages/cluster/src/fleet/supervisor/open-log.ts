import { mkdirSync, openSync, readdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';

const MAX_LOG_BYTES = 64 * 1024 * 1024;
// As in docker/logs/logrotate-muniment.conf.
const MAX_ROTATIONS = 14;

/** Opens a log to append to. One over 64 MiB becomes `<name>.log.1` first. */
export function openLog(file: string, maxBytes = MAX_LOG_BYTES): number {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxBytes) moveAside(file);
  return openSync(file, 'a', 0o600);
}

// Numbers the files as logrotate does, so that neither overwrites the other's.
function moveAside(file: string): void {
  const older = readdirSync(path.dirname(file)).flatMap((name) => {
    const [, number, ending] = name.startsWith(`${path.basename(file)}.`)
      ? (/^\.(\d+)(\.gz)?$/.exec(name.slice(path.basename(file).length)) ?? [])
      : [];
    return number === undefined || Number(number) >= MAX_ROTATIONS
      ? []
      : [{ number: Number(number), ending: ending ?? '' }];
  });
  for (const { number, ending } of older.toSorted((a, b) => b.number - a.number))
    renameSync(`${file}.${number}${ending}`, `${file}.${number + 1}${ending}`);
  renameSync(file, `${file}.1`);
}
