import { renderTable } from '../../table.ts';
import { TARGETS } from '../options.ts';
import { describeMemory, describeVerdict, judge, type Memory } from './goals.ts';
import { median, type Row } from './row.ts';

const HEADS = [
  'operation',
  'target',
  'conc',
  'req/s',
  'p50 ms',
  'p99 ms',
  'errors',
  'caught up s',
  'svc CPU ms',
  'nginx CPU ms',
  'db CPU ms',
  'other CPU ms',
  'driver CPU ms',
  'idle %',
  'svc RSS MiB',
  'db RSS MiB',
  'goal',
] as const;

const format = (value: number): string =>
  Number.isFinite(value) ? value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2) : '-';

/** One line of the table from the rows of all rounds: medians, sums of errors, peaks of memory. */
function renderRow(rows: readonly Row[], goal: string): string[] {
  const [first] = rows;
  const middle = (figure: (row: Row) => number | undefined): string =>
    format(median(rows.map((row) => figure(row) ?? NaN)));
  const peak = (group: 'service' | 'db'): string =>
    format(Math.max(...rows.map(({ peakRssMiB }) => peakRssMiB[group] ?? NaN)));
  return [
    first?.operation ?? '',
    first?.target ?? '',
    String(first?.concurrency ?? ''),
    middle((row) => row.perSecond),
    middle((row) => row.p50Ms),
    middle((row) => row.p99Ms),
    String(rows.reduce((sum, { errors }) => sum + errors, 0)),
    first?.target === 'muniment' ? middle((row) => row.catchUpSeconds) : '-',
    middle((row) => row.cpuMs.service),
    middle((row) => row.cpuMs.nginx),
    middle((row) => row.cpuMs.db),
    middle((row) => row.cpuMs.other),
    middle((row) => row.driverCpuMs),
    middle((row) => row.idlePercent),
    peak('service'),
    peak('db'),
    goal,
  ];
}

function memoryRow(memory: Memory, when: keyof Memory): string[] {
  const cells = new Map<string, string>([
    ['operation', `largest replica ${when} load`],
    ['target', 'muniment'],
    ['svc RSS MiB', format(memory[when])],
    ['goal', describeMemory(memory, when)],
  ]);
  return HEADS.map((head) => cells.get(head) ?? '-');
}

/** The rows of all rounds by line. Each operation lists the targets in one order, then its limit. */
function groupRows(rows: readonly Row[]): Row[][] {
  const rankOf = (name: string): number => {
    const rank = TARGETS.findIndex((target) => target === name);
    return rank < 0 ? TARGETS.length : rank;
  };
  return [...Map.groupBy(rows, ({ operation }) => operation).values()].flatMap((own) =>
    [...Map.groupBy(own, ({ target }) => target)]
      .toSorted(([one], [other]) => rankOf(one) - rankOf(other))
      .map(([, lines]) => lines),
  );
}

/** The table of a run, with the goals beside our rows and our memory at its end. */
export function renderPeers(rows: readonly Row[], memory?: Memory): string {
  const verdicts = judge(rows);
  const lines = groupRows(rows).map((own) => {
    const [first] = own;
    const goals =
      first?.target === 'muniment'
        ? verdicts.filter(({ goal }) => goal.operation === first.operation)
        : [];
    return renderRow(own, goals.map(describeVerdict).join('; '));
  });
  if (memory) lines.push(memoryRow(memory, 'before'), memoryRow(memory, 'after'));
  return renderTable(HEADS, lines, (column) => column >= 2 && column < HEADS.length - 1);
}
