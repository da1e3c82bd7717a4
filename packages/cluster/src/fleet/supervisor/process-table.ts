import { readFileSync, readdirSync } from 'node:fs';

// USER_HZ, which Linux fixes at 100 for programs.
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  pid: number;
  /** Process group. */
  group: number;
  /** Ticks since boot. With the pid it names one process for good, since pids are reused. */
  startTime: number;
}

/** Undefined when the process does not exist or is a zombie. */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name may hold spaces and brackets; the fields after its last bracket are fixed.
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

/** Whether this process lives, and not another one with its pid. */
export function isAlive(process: { pid: number; startTime: number }): boolean {
  return processStat(process.pid)?.startTime === process.startTime;
}

/** The command line; empty when it cannot be read. */
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

/** Resident bytes: RSS of one process, or PSS of several, which counts shared pages by share. */
export function residentBytes(pids: number[]): number {
  const [only] = pids;
  if (pids.length === 1 && only !== undefined)
    return readKilobytes(`/proc/${only}/status`, 'VmRSS') * 1024;
  return pids.reduce(
    (sum, pid) => sum + readKilobytes(`/proc/${pid}/smaps_rollup`, 'Pss') * 1024,
    0,
  );
}

function readKilobytes(file: string, field: string): number {
  try {
    return Number(
      new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0,
    );
  } catch {
    return 0;
  }
}

/** The id of this boot. Start times count from it, so an earlier state file names no process. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
