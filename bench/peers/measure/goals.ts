import type { Operation } from '../options.ts';
import { ARGON2_ALONE } from './limits.ts';
import { median, type Row } from './row.ts';

/** Our requests per second, as a multiple of another row's of the same run. */
export interface Goal {
  operation: Operation;
  times: number;
  target: string;
}

export const GOALS: readonly Goal[] = [
  { operation: 'profile', times: 0.35, target: 'bare-fastify' },
  { operation: 'profile', times: 4.5, target: 'parse-server' },
  { operation: 'login', times: 0.8, target: ARGON2_ALONE },
  { operation: 'upload-64k', times: 1, target: 'parse-server' },
  { operation: 'upload-16m', times: 1.2, target: 'parse-server' },
  { operation: 'download-64k', times: 1, target: 'parse-server' },
  { operation: 'download-16m', times: 0.75, target: 'bare-fastify' },
  { operation: 'list-50', times: 2.5, target: 'parse-server' },
  { operation: 'audit-write', times: 2.2, target: 'parse-server' },
  { operation: 'audit-page', times: 2, target: 'parse-server' },
];

/** Resident memory of our largest replica, in MiB. */
export const MEMORY_GOALS = { before: 150, after: 210 } as const;

export type Memory = Record<keyof typeof MEMORY_GOALS, number>;

export interface Verdict {
  goal: Goal;
  ratio: number;
  isMet: boolean;
}

const rowsOf = (rows: readonly Row[], operation: Operation, target: string): Row[] =>
  rows.filter((row) => row.operation === operation && row.target === target);

/**
 * Compares the medians of our rows with those of the goals' rows.
 * A goal whose rows were not measured has no verdict. A row with errors meets no goal.
 */
export function judge(rows: readonly Row[], goals: readonly Goal[] = GOALS): Verdict[] {
  return goals.flatMap((goal) => {
    const ours = rowsOf(rows, goal.operation, 'muniment');
    const others = rowsOf(rows, goal.operation, goal.target);
    if (ours.length === 0 || others.length === 0) return [];
    const ratio = medianRate(ours) / medianRate(others);
    const areClean = [...ours, ...others].every(({ errors }) => errors === 0);
    return [{ goal, ratio, isMet: areClean && ratio >= goal.times }];
  });
}

const medianRate = (rows: readonly Row[]): number => median(rows.map((row) => row.perSecond));

/** A verdict as a cell of the table. */
export const describeVerdict = ({ goal, ratio, isMet }: Verdict): string =>
  `≥ ${goal.times} × ${goal.target}: ${ratio.toFixed(2)} ${isMet ? 'met' : 'missed'}`;

export const describeMemory = (memory: Memory, when: keyof Memory): string =>
  `≤ ${MEMORY_GOALS[when]} MiB: ${memory[when] <= MEMORY_GOALS[when] ? 'met' : 'missed'}`;
