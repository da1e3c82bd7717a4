import { readFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import type { FleetProcess } from '../test/e2e/fleet.ts';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU time of the processes so far, user and system, in ms. */
export async function cpuMs(processes: readonly FleetProcess[]): Promise<number> {
  let ticks = 0;
  for (const { pid } of processes) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command may contain spaces. It ends at the last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1_000) / TICKS_PER_SECOND;
}

/** Resident memory of the largest of the processes, in MB. */
export async function largestRssMb(
  processes: readonly Pick<FleetProcess, 'pid'>[],
): Promise<number> {
  const sizes = await Promise.all(
    processes.map(async ({ pid }) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    }),
  );
  return Math.max(...sizes);
}
