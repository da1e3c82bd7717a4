import type { SignedCheckpoint } from '../log/checkpoint.ts';
import type { ExportState } from './export-state.ts';
import type { Finding, Findings } from './findings.ts';
import type { LaneReport } from './lane-continuity.ts';

/**
 * - `proven`: the export holds every row of the log up to its checkpoint, each as sealed.
 * - `incomplete`: each row is as sealed, but rows are left out or consistency is undecided.
 * - `refuted`: see `findings`.
 * - `unreadable`: the file is not an export.
 */
export type Verdict = 'proven' | 'incomplete' | 'refuted' | 'unreadable';

/** The outcome of the comparison with an earlier checkpoint. */
export interface ConsistencyReport {
  earlier_size: number;
  outcome: 'proven' | 'unproven' | 'refuted';
  /** What would decide it. */
  needed: string | null;
}

export interface Report {
  verdict: Verdict;
  /** The first hundred. */
  findings: Finding[];
  findings_total: number;
  checkpoint: { origin: string; size: number; root: string; signed_by: string[] } | null;
  rows: number;
  first_index: number | null;
  last_index: number | null;
  /** Leaves of the checkpoint's tree that are not among the rows. */
  left_out: number;
  filter: unknown;
  /** Index of the last row of the previous part. */
  after: number | null;
  /** Where the next part begins; null: this is the last part. */
  next_cursor: string | null;
  consistency: ConsistencyReport | null;
  /** Rows whose personal values match their commitment, and rows that do not show them. */
  personal: { matched: number; withheld: number };
  lanes: LaneReport[];
}

export function createReport(state: ExportState, consistency: ConsistencyReport | null): Report {
  const { findings, header, end } = state;
  return {
    verdict: verdictOf(state, consistency),
    findings: sortFindings(findings),
    findings_total: findings.total,
    checkpoint: checkpointReport(state.checkpoint),
    rows: state.rows,
    first_index: state.firstIndex,
    last_index: state.lastIndex,
    left_out: state.gapLeaves,
    filter: header?.filter ?? null,
    after: header?.after ?? null,
    next_cursor: end?.nextCursor ?? null,
    consistency,
    personal: { matched: state.personalMatched, withheld: state.personalWithheld },
    lanes: state.lanes.report(),
  };
}

export const sortFindings = ({ list }: Findings): Finding[] =>
  list.toSorted(
    (a, b) => (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER),
  );

function verdictOf(
  { header, findings, rows, checkpoint }: ExportState,
  consistency: ConsistencyReport | null,
): Verdict {
  if (!header) return 'unreadable';
  if (findings.total > 0) return 'refuted';
  const leavesOut = rows < (checkpoint?.size ?? 0);
  return leavesOut || consistency?.outcome === 'unproven' ? 'incomplete' : 'proven';
}

export function checkpointReport(checkpoint: SignedCheckpoint | undefined): Report['checkpoint'] {
  if (!checkpoint) return null;
  const { origin, size, root, signatures } = checkpoint;
  return {
    origin,
    size,
    root: root.toString('base64'),
    signed_by: signatures.map(({ name, id }) => `${name}+${id.toString(16).padStart(8, '0')}`),
  };
}
