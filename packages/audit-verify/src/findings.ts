/** What is wrong with an export. */
export type FindingCode =
  /** The checkpoint. */
  | 'checkpoint_malformed'
  | 'checkpoint_forged'
  | 'checkpoint_other_key'
  /** Single lines. */
  | 'row_altered'
  | 'rows_swapped'
  | 'personal_altered'
  | 'gap_altered'
  | 'end_altered'
  /** What is there and where. */
  | 'rows_missing'
  | 'row_doubled'
  | 'out_of_order'
  | 'cut_at_end'
  | 'not_in_checkpoint'
  | 'trailing_data'
  /** The whole against what was signed. */
  | 'tree_mismatch'
  | 'history_rewritten'
  | 'earlier_checkpoint_forged'
  | 'consistency_proof_wrong';

export interface Finding {
  code: FindingCode;
  message: string;
  /** In the export, from 1. */
  line?: number;
  /** In the log, from 0. */
  index?: number;
}

/** `7` or `7 to 9`. @param to exclusive */
export const indexes = (from: number, to: number): string =>
  to === from + 1 ? `index ${from}` : `indexes ${from} to ${to - 1}`;
