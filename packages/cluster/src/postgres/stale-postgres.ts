import { readFileSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Ends backends that outlived their postmaster, and deletes postmaster.pid.
 * A new postmaster would refuse to start: "pre-existing shared memory block is still in use".
 * Never call it on a folder whose postmaster should live.
 */
export async function clearStalePostgres(dataDir: string): Promise<void> {
  for (let waited = 0; ; waited += 50) {
    const alive = processesOf(dataDir);
    if (alive.length === 0) break;
    // SIGQUIT is PostgreSQL's immediate stop. A stopped backend needs SIGKILL.
    const signal = waited === 0 ? 'SIGQUIT' : waited >= 2000 ? 'SIGKILL' : undefined;
    if (signal) for (const pid of alive) signalIfAlive(pid, signal);
    await sleep(50);
  }
  rmSync(path.join(dataDir, 'postmaster.pid'), { force: true });
}

/** The PostgreSQL processes of a data folder, which is their working directory. */
export function processesOf(dataDir: string): number[] {
  const folder = resolveFolder(dataDir);
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
        return false; // The process has ended or belongs to another user.
      }
    });
}

function resolveFolder(folder: string): string | undefined {
  try {
    return realpathSync(folder);
  } catch {
    return undefined;
  }
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended.
  }
}
