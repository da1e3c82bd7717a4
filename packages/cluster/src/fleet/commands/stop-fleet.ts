import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { endOrphans } from '../supervisor/orphans.ts';
import { fleetFile } from '../supervisor/fleet-files.ts';
import { isAlive } from '../supervisor/process-table.ts';
import { readState, stateFile, isSupervisorAlive } from '../supervisor/state.ts';
import { signalIfAlive } from '../supervisor/signals.ts';

// Longer than the orderly stop of all stages.
const STOP_TIMEOUT_MS = 75_000;

/** Stops the fleet of a data folder, or what a killed supervisor left. @returns whether any ran */
export async function stopFleet(data: string, report: (line: string) => void): Promise<boolean> {
  const state = readState(data);
  if (state === undefined) return false;
  let wasRunning = false;
  if (isSupervisorAlive(state)) {
    wasRunning = true;
    report(`stopping the running fleet (supervisor ${state.supervisor.pid})`);
    signalIfAlive(state.supervisor.pid, 'SIGTERM');
    for (let waited = 0; isAlive(state.supervisor) && waited < STOP_TIMEOUT_MS; waited += 50)
      await sleep(50);
    signalIfAlive(state.supervisor.pid, 'SIGKILL');
    while (isAlive(state.supervisor)) await sleep(20);
  }
  // Read again, because pids may have changed.
  const orphans = await endOrphans(readState(data) ?? state);
  if (orphans.length > 0)
    report(`ended ${orphans.length} processes that outlived their supervisor`);
  rmSync(fleetFile(data), { force: true });
  rmSync(stateFile(data), { force: true });
  return wasRunning || orphans.length > 0;
}
