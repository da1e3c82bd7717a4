import type { Mismatch } from '../export/export-state.ts';
import { createFindings, type Findings } from '../export/findings.ts';
import { createLaneContinuity } from '../export/lane-continuity.ts';
import type { Run } from '../export/row-order.ts';
import type { SignedCheckpoint } from '../log/checkpoint.ts';
import type { CompactRange } from '../log/compact-range.ts';
import type { VerifierKey } from '../log/note.ts';

/** What is known of one connection after its events so far. */
export interface Connection {
  filter: unknown;
  /** The tree of all entries, while events follow each other and are as signed. */
  tree: CompactRange;
  /** Whether the tree can be compared with a checkpoint. */
  isComparable: boolean;
  /** Entries covered in one piece. The first run is what came before the opening. */
  runs: Run[];
  /** Size of the tree at the last checkpoint that holds, or at the opening. */
  signedSize: number;
  /** The largest size that a checkpoint states. */
  statedSize: number;
  /** Rows since the last checkpoint that holds. */
  pendingRows: number;
}

/** What is known of a recording after its events so far. */
export interface StreamState {
  keys: readonly VerifierKey[];
  findings: Findings;
  /** Where the event that is being read stands, from 1. */
  line: number;
  /** The index behind which events were asked for; undefined: wherever the stream begins. */
  after: number | undefined;
  earlier: SignedCheckpoint | undefined;
  earlierRoot: Buffer | undefined;
  connection: Connection | undefined;
  connections: number;
  /** The first index of the stream. */
  from: number | undefined;
  filter: unknown;
  /** The newest checkpoint that the events agree with. */
  signed: SignedCheckpoint | undefined;
  checkpoints: number;
  rows: number;
  /** Rows that no checkpoint covers, of connections that are over. */
  unprovenRows: number;
  leftOut: number;
  personalMatched: number;
  personalWithheld: number;
  mismatches: Mismatch[];
  lanes: ReturnType<typeof createLaneContinuity>;
  /** Why the server ended the last connection. */
  end: string | undefined;
}

export const createStreamState = (
  keys: readonly VerifierKey[],
  after: number | undefined,
): StreamState => ({
  keys,
  findings: createFindings(),
  line: 0,
  after,
  earlier: undefined,
  earlierRoot: undefined,
  connection: undefined,
  connections: 0,
  from: undefined,
  filter: null,
  signed: undefined,
  checkpoints: 0,
  rows: 0,
  unprovenRows: 0,
  leftOut: 0,
  personalMatched: 0,
  personalWithheld: 0,
  mismatches: [],
  lanes: createLaneContinuity(),
  end: undefined,
});

/** The index that follows what a connection covers. */
export const reachedBy = ({ runs }: Connection): number => runs.at(-1)?.to ?? 0;

/** Saves the tree's root when it has the size of the earlier checkpoint. */
export function saveEarlierRoot({
  earlier,
  connection,
  ...state
}: StreamState): Buffer | undefined {
  const isThere = connection?.isComparable && connection.tree.size === earlier?.size;
  return isThere ? connection.tree.root() : state.earlierRoot;
}
