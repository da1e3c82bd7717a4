import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../../errors.ts';
import { isAlive, processStat } from '../supervisor/process-table.ts';

const MAX_ATTEMPTS = 4;

/**
 * Locks a data folder against a second command that changes the fleet. A dead process's lock is
 * void.
 */
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
        // Atomic: fails when the lock exists, and never shows a partial file.
        linkSync(own, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        const holder: { pid: number; startTime: number } = JSON.parse(readFileSync(file, 'utf8'));
        if (isAlive(holder) || attempt >= MAX_ATTEMPTS)
          throw new FleetError(
            `Another make command (process ${holder.pid}) works on ${data}. ` +
              'Wait until it has ended.',
            { cause: error },
          );
        rmSync(file, { force: true });
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}
