import type { Finding } from '../export/findings.ts';
import type { LaneReport } from '../export/lane-continuity.ts';
import {
  checkpointReport,
  sortFindings,
  type ConsistencyReport,
  type Report,
  type Verdict,
} from '../export/report.ts';
import { reachedBy, type StreamState } from './stream-state.ts';

/**
 * - `proven`: every entry of the log from the stream's beginning to its last checkpoint is there.
 * - `incomplete`: nothing is wrong, but entries are left out, or some are not signed yet.
 * - `refuted`: see `findings`.
 * - `unreadable`: it is no stream with proofs.
 */
export interface StreamReport {
  verdict: Verdict;
  /** The first hundred. */
  findings: Finding[];
  findings_total: number;
  /** The newest that the events agree with. */
  checkpoint: Report['checkpoint'];
  checkpoints: number;
  connections: number;
  /** The first and last index up to which each entry was sent or left out, as signed. */
  proven: [first: number, last: number] | null;
  /** Where the stream begins; null: it has no beginning. */
  first_index: number | null;
  /** The `Last-Event-ID` or `after` of the next connection; null: there was none. */
  resume_after: number | null;
  rows: number;
  /** Rows that no checkpoint covers. */
  unproven_rows: number;
  /** Entries of which there are hashes only. */
  left_out: number;
  filter: unknown;
  /** Why the server ended it; null: the recording or the connection was cut. */
  end: string | null;
  consistency: ConsistencyReport | null;
  personal: { matched: number; withheld: number };
  lanes: LaneReport[];
}

export function createStreamReport(
  state: StreamState,
  consistency: ConsistencyReport | null,
): StreamReport {
  const { findings, signed, from, connection } = state;
  const hasRange = signed !== undefined && from !== undefined && signed.size > from;
  return {
    verdict: verdictOf(state, consistency),
    findings: sortFindings(findings),
    findings_total: findings.total,
    checkpoint: checkpointReport(signed),
    checkpoints: state.checkpoints,
    connections: state.connections,
    proven: hasRange ? [from, signed.size - 1] : null,
    first_index: from ?? null,
    resume_after: connection ? reachedBy(connection) - 1 : null,
    rows: state.rows,
    unproven_rows: unprovenRows(state),
    left_out: state.leftOut,
    filter: state.filter ?? null,
    end: state.end ?? null,
    consistency,
    personal: { matched: state.personalMatched, withheld: state.personalWithheld },
    lanes: state.lanes.report(),
  };
}

const unprovenRows = ({ unprovenRows: earlier, connection }: StreamState): number =>
  earlier + (connection?.pendingRows ?? 0);

function verdictOf(state: StreamState, consistency: ConsistencyReport | null): Verdict {
  const { connection, findings, signed, leftOut } = state;
  if (!connection) return 'unreadable';
  if (findings.total > 0) return 'refuted';
  const isWhole =
    signed?.size === reachedBy(connection) && unprovenRows(state) === 0 && leftOut === 0;
  return isWhole && consistency?.outcome !== 'unproven' ? 'proven' : 'incomplete';
}
