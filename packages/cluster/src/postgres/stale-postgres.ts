import { readFileSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Clears what a killed PostgreSQL left: backends that outlived their postmaster (they hold the shared memory, and a new
 * postmaster refuses to start: "pre-existing shared memory block is still in use") and a postmaster.pid whose number
 * another process has got since (PostgreSQL would take that one for its own). Never call it on a folder whose
 * postmaster is meant to live.
 */
export async function clearStalePostgres(dataDir: string): Promise<void> {
  for (let waited = 0; ; waited += 50) {
    const left = processesOf(dataDir);
    if (left.length === 0) break;
    // Backends notice the postmaster's death themselves; SIGQUIT is PostgreSQL's own immediate stop, SIGKILL the last word.
    const signal = waited === 0 ? 'SIGQUIT' : waited >= 2000 ? 'SIGKILL' : undefined;
    if (signal) for (const pid of left) kill(pid, signal);
    await sleep(50);
  }
  rmSync(path.join(dataDir, 'postmaster.pid'), { force: true });
}

/** Processes named postgres that work in this data folder (every PostgreSQL process changes into it). */
export function processesOf(dataDir: string): number[] {
  const folder = real(dataDir);
  if (folder === undefined) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`) === folder &&
          readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres')
        );
      } catch {
        return false; // ended meanwhile, or another user's
      }
    });
}

function real(folder: string): string | undefined {
  try {
    return realpathSync(folder);
  } catch {
    return undefined;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it ended between the look and the signal
  }
}
