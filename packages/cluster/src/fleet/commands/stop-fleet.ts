import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endOrphans } from '../supervisor/orphans.ts';
import { isAlive } from '../supervisor/process-table.ts';
import { readState, stateFile, supervisorLives } from '../supervisor/state.ts';
import { signalQuietly } from '../supervisor/supervised-process.ts';

// Longer than the slowest ordered stop of all stages together.
const PATIENCE_MS = 75_000;

/** Stops the fleet of this folder, in order by its supervisor, or by itself what a killed supervisor left. Says whether there was one. */
export async function stopFleet(data: string, report: (line: string) => void): Promise<boolean> {
  const state = readState(data);
  if (state === undefined) return false;
  let found = false;
  if (supervisorLives(state)) {
    found = true;
    report(`stopping the running fleet (supervisor ${state.supervisor.pid})`);
    signalQuietly(state.supervisor.pid, 'SIGTERM');
    for (let waited = 0; isAlive(state.supervisor) && waited < PATIENCE_MS; waited += 50)
      await sleep(50);
    signalQuietly(state.supervisor.pid, 'SIGKILL');
    while (isAlive(state.supervisor)) await sleep(20);
  }
  // Read again: pids may have changed since.
  const orphans = await endOrphans(readState(data) ?? state);
  if (orphans.length > 0)
    report(`ended ${orphans.length} processes that had outlived their supervisor`);
  rmSync(path.join(data, 'fleet.json'), { force: true });
  rmSync(stateFile(data), { force: true });
  return found || orphans.length > 0;
}
