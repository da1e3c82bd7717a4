import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { descendants } from '../../../test/e2e/processes.ts';

const getconf = (name: string): number =>
  Number(execFileSync('getconf', [name], { encoding: 'utf8' }));
const TICK_MS = 1_000 / getconf('CLK_TCK');
const PAGE_BYTES = getconf('PAGESIZE');
const MIB = 1024 ** 2;

function readFields(pid: number): number[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command may contain spaces. It ends at the last parenthesis.
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
  } catch {
    return []; // The process has ended. Its parent has counted it.
  }
}

export const treesOf = (roots: readonly number[]): number[] => roots.flatMap(descendants);

/**
 * CPU time of processes and their descendants so far, user and system, in ms.
 * It includes children that have ended, such as a database connection's process.
 */
export function cpuMsOf(roots: readonly number[]): number {
  const ticks = treesOf(roots).flatMap((pid) => readFields(pid).slice(11, 15));
  return ticks.reduce((sum, one) => sum + one, 0) * TICK_MS;
}

/** Resident memory of these processes together. Shared pages count in each. */
export const rssMiBOf = (pids: readonly number[]): number =>
  (pids.reduce((sum, pid) => sum + (readFields(pid)[21] ?? 0), 0) * PAGE_BYTES) / MIB;

/** Ticks of all cores since boot. Waiting for the disk is idle. */
export function readMachine(): { idle: number; total: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const [, , , idle = 0, waiting = 0] = ticks;
  return { idle: idle + waiting, total: ticks.reduce((sum, one) => sum + one, 0) };
}
