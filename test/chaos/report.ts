import type { Evidence } from './check/check.ts';
import { VIOLATIONS, type Violation } from './check/violations.ts';
import type { FaultRecord, History, Result } from './history.ts';

export interface Summary {
  seed: number;
  durationMs: number;
  actions: { kind: string; ok: number; refused: number; unknown: number }[];
  faultsByKind: { kind: string; count: number; answered: Percentiles; caughtUp: Percentiles }[];
  /** How many violations of each kind. */
  found: Record<Violation['kind'], number>;
  recovery: { answered: Percentiles; caughtUp: Percentiles };
  /** Requests whose answer was lost, and replayed under their Idempotency-Key. */
  replayed: number;
  evidence: Evidence;
}

/** Milliseconds; null where nothing was measured. */
export interface Percentiles {
  p50: number | null;
  p99: number | null;
}

function percentiles(values: readonly (number | null)[]): Percentiles {
  const sorted = values.filter((value) => value !== null).sort((one, other) => one - other);
  const at = (share: number): number | null =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null;
  return { p50: at(0.5), p99: at(0.99) };
}

const recoveryOf = (
  faults: readonly FaultRecord[],
): { answered: Percentiles; caughtUp: Percentiles } => ({
  answered: percentiles(faults.map(({ answeredMs }) => answeredMs)),
  caughtUp: percentiles(faults.map(({ caughtUpMs }) => caughtUpMs)),
});

export function summarize(
  seed: number,
  durationMs: number,
  { operations, faults }: Pick<History, 'operations' | 'faults'>,
  violations: readonly Violation[],
  evidence: Evidence,
): Summary {
  const actions = [...Map.groupBy(operations, ({ kind }) => kind)].map(([kind, own]) => {
    const count = (result: Result): number =>
      own.filter((operation) => operation.result === result).length;
    return { kind, ok: count('ok'), refused: count('refused'), unknown: count('unknown') };
  });
  return {
    seed,
    durationMs,
    actions: actions.sort((one, other) => one.kind.localeCompare(other.kind)),
    faultsByKind: [...Map.groupBy(faults, ({ kind }) => kind)]
      .map(([kind, own]) => ({ kind, count: own.length, ...recoveryOf(own) }))
      .sort((one, other) => one.kind.localeCompare(other.kind)),
    found: Object.fromEntries(
      VIOLATIONS.map((kind) => [
        kind,
        violations.filter((violation) => violation.kind === kind).length,
      ]),
    ) as Summary['found'],
    recovery: recoveryOf(faults),
    replayed: operations.filter(({ replayed }) => replayed).length,
    evidence,
  };
}

const ms = (value: number | null): string => (value === null ? '-' : `${value} ms`);

function table(head: string[], body: string[][]): string[] {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((row) => row[column]?.length ?? 0)),
  );
  return [head, ...body].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
}

/** Renders the result for people. */
export function renderSummary(summary: Summary, violations: readonly Violation[]): string[] {
  const { found, recovery, evidence } = summary;
  const times = ({ answered, caughtUp }: Summary['recovery']): string[] => [
    ms(answered.p50),
    ms(answered.p99),
    ms(caughtUp.p50),
    ms(caughtUp.p99),
  ];
  const otherCounts = VIOLATIONS.filter(
    (kind) => !['lost', 'doubled', 'hole', 'order'].includes(kind),
  ).map((kind) => `${kind} ${found[kind]}`);
  const total = (result: Result): string =>
    String(summary.actions.reduce((sum, action) => sum + action[result], 0));
  const count = summary.faultsByKind.reduce((sum, fault) => sum + fault.count, 0);
  // A few of each kind, so that a frequent one hides no other.
  const shown = [...Map.groupBy(violations, ({ kind }) => kind).values()]
    .flatMap((own) => own.slice(0, 5))
    .map(({ kind, detail }) => `  ${kind}: ${detail}`);
  return [
    '',
    ...table(
      ['actions', 'ok', 'refused', 'unknown'],
      [
        ...summary.actions.map(({ kind, ok, refused, unknown }) => [
          kind,
          String(ok),
          String(refused),
          String(unknown),
        ]),
        ['all', total('ok'), total('refused'), total('unknown')],
      ],
    ),
    '',
    ...table(
      ['faults', 'times', 'answers p50', 'p99', 'trail whole p50', 'p99'],
      [
        ...summary.faultsByKind.map((fault) => [fault.kind, String(fault.count), ...times(fault)]),
        ['all', String(count), ...times(recovery)],
      ],
    ),
    '',
    `${evidence.events} events; ${evidence.checkpoints} checkpoints saved by the witness, ` +
      `${evidence.copies} in S3; ${evidence.consistencyProofs} consistency and ` +
      `${evidence.inclusionProofs} inclusion proofs, an export of ${evidence.exportedRows} rows`,
    `${summary.replayed} uploads lost their answer and got it by a retry with their key`,
    `lost ${found.lost}, doubled ${found.doubled}, holes ${found.hole}, ` +
      `order violations ${found.order}; ${otherCounts.join(', ')}`,
    ...(shown.length === 0
      ? []
      : [
          '',
          `${violations.length} violations:`,
          ...shown,
          ...(violations.length > shown.length ? ['  ...'] : []),
        ]),
  ];
}
