/** What is wrong with an export or a recorded stream. */
export type FindingCode =
  // The checkpoint.
  | 'checkpoint_malformed'
  | 'checkpoint_forged'
  | 'checkpoint_other_key'
  // Single lines.
  | 'row_altered'
  | 'rows_swapped'
  | 'personal_altered'
  | 'gap_altered'
  | 'end_altered'
  | 'opening_altered'
  // The order of the lines.
  | 'rows_missing'
  | 'row_doubled'
  | 'out_of_order'
  | 'cut_at_end'
  | 'not_in_checkpoint'
  | 'trailing_data'
  // The whole, compared with what was signed.
  | 'tree_mismatch'
  | 'history_rewritten'
  | 'earlier_checkpoint_forged'
  | 'consistency_proof_wrong';

export interface Finding {
  code: FindingCode;
  message: string;
  /** Line of the export, from 1. */
  line?: number;
  /** Index in the log, from 0. */
  index?: number;
}

/** How many findings are reported. The rest is counted. */
export const MAX_FINDINGS = 100;

export interface Findings {
  /** The first hundred. */
  readonly list: readonly Finding[];
  /** How many there are in all. */
  readonly total: number;
  add(code: FindingCode, message: string, where?: Pick<Finding, 'line' | 'index'>): void;
  /** Counts a finding that is not reported. */
  count(): void;
}

export function createFindings(): Findings {
  const list: Finding[] = [];
  let total = 0;
  return {
    list,
    get total() {
      return total;
    },
    add(code, message, where = {}) {
      total += 1;
      if (list.length < MAX_FINDINGS) list.push({ code, message, ...where });
    },
    count() {
      total += 1;
    },
  };
}

/** `index 7` or `indexes 7 to 9`. @param to exclusive */
export const indexes = (from: number, to: number): string =>
  to === from + 1 ? `index ${from}` : `indexes ${from} to ${to - 1}`;
