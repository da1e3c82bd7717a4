import type { SignedCheckpoint } from '../log/checkpoint.ts';
import { type CompactRange, createCompactRange } from '../log/compact-range.ts';
import type { End, Header } from './export-lines.ts';
import { createFindings, type Findings } from './findings.ts';
import { createLaneContinuity } from './lane-continuity.ts';
import type { VerifierKey } from '../log/note.ts';
import type { Run } from './row-order.ts';

/** A row whose bytes do not give its hash. */
export interface Mismatch {
  line: number;
  index: number;
  /** base64 */
  stated: string;
  /** base64 */
  computed: string;
}

/** What is known of an export after its lines so far. */
export interface ExportState {
  keys: readonly VerifierKey[];
  findings: Findings;
  /** Lines so far. */
  line: number;
  header: Header | undefined;
  checkpoint: SignedCheckpoint | undefined;
  end: End | undefined;
  /** Whether later lines cannot be judged. */
  stopped: boolean;
  /** A checkpoint saved from before, which the export must not contradict. */
  earlier: SignedCheckpoint | undefined;
  /** The tree's root at the size of the earlier checkpoint. */
  earlierRoot: Buffer | undefined;
  /** The tree of all leaves, while lines follow each other. */
  tree: CompactRange;
  runs: Run[];
  /** Whether every line so far follows the previous one. */
  isOrdered: boolean;
  /** Index of an unreadable line, which must have been the row expected there. */
  unreadableAt: number | undefined;
  rows: number;
  firstIndex: number | null;
  lastIndex: number | null;
  personalMatched: number;
  personalWithheld: number;
  /** `to` is exclusive. */
  gaps: { from: number; to: number; line: number }[];
  gapLeaves: number;
  mismatches: Mismatch[];
  lanes: ReturnType<typeof createLaneContinuity>;
}

export function createExportState(keys: readonly VerifierKey[]): ExportState {
  return {
    keys,
    findings: createFindings(),
    line: 0,
    header: undefined,
    checkpoint: undefined,
    end: undefined,
    stopped: false,
    earlier: undefined,
    earlierRoot: undefined,
    tree: createCompactRange(),
    runs: [],
    isOrdered: true,
    unreadableAt: undefined,
    rows: 0,
    firstIndex: null,
    lastIndex: null,
    personalMatched: 0,
    personalWithheld: 0,
    gaps: [],
    gapLeaves: 0,
    mismatches: [],
    lanes: createLaneContinuity(),
  };
}
