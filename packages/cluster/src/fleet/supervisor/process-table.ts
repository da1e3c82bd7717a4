import { readFileSync, readdirSync } from 'node:fs';

// USER_HZ: fixed at 100 in Linux's interface to programs, whatever the kernel's own tick is.
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  pid: number;
  /** Process group. */
  group: number;
  /** Ticks since boot: with the pid it names one process for good, since pids are used again. */
  startTime: number;
}

/** undefined when there is no such process, or only its corpse (a zombie). */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in brackets may hold spaces and brackets: what follows the last one is fixed.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X'
      ? undefined
      : { pid, group: Number(fields[2]), startTime: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

export function allProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processStat(Number(name)) ?? []);
}

/** Whether this very process lives, and not another with its number. */
export function isAlive(process: { pid: number; startTime: number }): boolean {
  return processStat(process.pid)?.startTime === process.startTime;
}

/** The command line in one line; empty when it can't be read. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    return '';
  }
}

export function uptimeSeconds(startTime: number): number {
  return Math.max(
    0,
    Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) - startTime / TICKS_PER_SECOND,
  );
}

/** Resident memory in bytes, shared pages counted by share, of a whole process group; for one process plain RSS. */
export function residentBytes(pids: number[]): number {
  const [only] = pids;
  if (pids.length === 1 && only !== undefined)
    return kilobytes(`/proc/${only}/status`, 'VmRSS') * 1024;
  return pids.reduce((sum, pid) => sum + kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss') * 1024, 0);
}

function kilobytes(file: string, field: string): number {
  try {
    return Number(
      new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0,
    );
  } catch {
    return 0;
  }
}

/** This boot: start times count from it, so a state file of an earlier one names nobody. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
