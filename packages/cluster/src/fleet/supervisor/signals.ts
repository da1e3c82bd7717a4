import { setTimeout as sleep } from 'node:timers/promises';
import { allProcesses } from './process-table.ts';

const POLL_MS = 25;
const KILL_AFTER_MS = 500;
const SWEEP_TIMEOUT_MS = 5_000;

/**
 * Ends the rest of a process group whose leader is dead: nginx's workers would hold the port.
 * SIGQUIT frees the port and lets workers finish their requests; SIGKILL follows.
 */
export async function sweepGroup(group: number): Promise<void> {
  for (let waited = 0; waited <= SWEEP_TIMEOUT_MS; waited += POLL_MS) {
    const members = allProcesses().filter((process) => process.group === group);
    if (members.length === 0) return;
    const signal = waited === 0 ? 'SIGQUIT' : waited >= KILL_AFTER_MS ? 'SIGKILL' : undefined;
    if (signal) for (const { pid } of members) signalIfAlive(pid, signal);
    await sleep(POLL_MS);
  }
}

/** Sends a signal to a process that may have ended. */
export function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended.
  }
}
