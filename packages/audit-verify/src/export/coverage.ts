import type { ExportState } from './export-state.ts';
import { type FindingCode, indexes } from './findings.ts';

/** Breaks of the order that are saved. An export with more needs no description of each. */
export const MAX_RUNS = 1_000;

/**
 * Records that the current line covers the leaves [from, to).
 * @returns whether it stands in its place, after all leaves before it
 */
export function coverLeaves(state: ExportState, from: number, to: number): boolean {
  const { checkpoint, runs, line } = state;
  if (checkpoint && to > checkpoint.size) {
    state.findings.add(
      'not_in_checkpoint',
      `${indexes(from, to)} is beyond the checkpoint, whose tree has ${checkpoint.size} leaves`,
      { line, index: from },
    );
    state.isOrdered = false;
    return false;
  }
  const run = runs.at(-1);
  const expected = run?.to ?? 0;
  const { unreadableAt } = state;
  state.unreadableAt = undefined;
  // An unreadable line before this one counts as the row that is missing.
  if (unreadableAt !== undefined && from === unreadableAt + 1 && from === expected + 1) {
    if (run) run.to = to;
    else runs.push({ from: expected, to, line });
    return false;
  }
  if (from === expected && run) run.to = to;
  else if (runs.length < MAX_RUNS) runs.push({ from, to, line });
  if (from !== expected) state.isOrdered = false;
  return state.isOrdered;
}

/** Records a line that cannot be read. */
export function addUnreadable(state: ExportState, code: FindingCode, message: string): void {
  const index = state.runs.at(-1)?.to ?? 0;
  state.findings.add(code, message, { line: state.line, index });
  if (code === 'row_altered') state.unreadableAt = index;
  state.isOrdered = false;
}

/** Saves the tree's root when it has the size of the earlier checkpoint. */
export function saveEarlierRoot(state: ExportState): void {
  if (state.earlier && state.tree.size === state.earlier.size)
    state.earlierRoot = state.tree.root();
}
