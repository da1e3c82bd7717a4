import { processesOf } from '../../postgres/stale-postgres.ts';
import {
  allProcesses,
  isAlive,
  residentBytes,
  uptimeSeconds,
} from '../supervisor/process-table.ts';
import { isReady } from '../supervisor/readiness.ts';
import type { FleetState, ProcessState } from '../supervisor/state.ts';

const HEADINGS = ['process', 'port', 'pid', 'uptime', 'restarts', 'ready', 'rss'];

/** One line a process. Whether it lives is looked up now, not taken from the state. */
export async function statusTable(state: FleetState): Promise<{ text: string; healthy: boolean }> {
  const rows = await Promise.all(state.processes.map(describeProcess));
  const widths = HEADINGS.map((head, column) =>
    Math.max(head.length, ...rows.map(({ cells }) => cells[column]?.length ?? 0)),
  );
  const text = [HEADINGS, ...rows.map(({ cells }) => cells)]
    .map((cells) =>
      cells
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    )
    .join('\n');
  return { text, healthy: rows.every(({ ready }) => ready) };
}

async function describeProcess({
  name,
  port,
  pid,
  startTime,
  restarts,
  ready: probe,
}: ProcessState): Promise<{ cells: string[]; ready: boolean }> {
  if (pid === undefined || startTime === undefined || !isAlive({ pid, startTime })) {
    return { ready: false, cells: [name, String(port), '-', '-', String(restarts), 'down', '-'] };
  }
  const ready = await isReady(probe, pid);
  const pids =
    'postgres' in probe
      ? processesOf(probe.postgres)
      : allProcesses()
          .filter(({ group }) => group === pid)
          .map((member) => member.pid);
  return {
    ready,
    cells: [
      name,
      String(port),
      String(pid),
      formatDuration(uptimeSeconds(startTime)),
      String(restarts),
      ready ? 'yes' : 'no',
      `${(residentBytes(pids) / 1024 / 1024).toFixed(0)} MB`,
    ],
  };
}

function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`;
}
