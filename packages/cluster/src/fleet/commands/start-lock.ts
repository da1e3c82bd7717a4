import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../../errors.ts';
import { isAlive, processStat } from '../supervisor/process-table.ts';

/** Keeps two `make up` or `make down` from working on one folder at once; one left by a killed process does not count. */
export function lockData(data: string): () => void {
  const file = path.join(data, 'lock');
  const own = `${file}.${process.pid}`;
  writeFileSync(
    own,
    JSON.stringify({ pid: process.pid, startTime: processStat(process.pid)?.startTime ?? 0 }),
    { mode: 0o600 },
  );
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        linkSync(own, file); // fails when it exists: only one can win, and the file is never seen half written
        return () => rmSync(file, { force: true });
      } catch (error) {
        const holder: { pid: number; startTime: number } = JSON.parse(readFileSync(file, 'utf8'));
        if (isAlive(holder) || attempt > 3)
          throw new FleetError(
            `another make up or make down is at work on ${data} (process ${holder.pid})`,
            { cause: error },
          );
        rmSync(file, { force: true });
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}
