import type { SignedCheckpoint } from '../log/checkpoint.ts';
import { MAX_RUNS } from './coverage.ts';
import type { ExportState } from './export-state.ts';
import { indexes } from './findings.ts';
import { orderFindings, type Run } from './row-order.ts';

/** How the bytes of an export end. */
export interface Ending {
  /** Bytes after the last LF. */
  rest: number;
  /** Why the bytes end early, if they do. */
  broken: string | undefined;
}

/** Tells rows whose records were swapped under their hashes from rows that were altered. */
export function judgeMismatches({
  mismatches,
  findings,
}: Pick<ExportState, 'mismatches' | 'findings'>): void {
  for (const one of mismatches) {
    const other = mismatches.find(
      ({ computed, stated }) => computed === one.stated && stated === one.computed,
    );
    const where = { line: one.line, index: one.index };
    if (!other) findings.add('row_altered', 'row altered: its bytes do not give its hash', where);
    else if (one.index < other.index)
      findings.add(
        'rows_swapped',
        `swapped: the records of ${indexes(one.index, one.index + 1)} and ` +
          `${indexes(other.index, other.index + 1)} (line ${other.line}) have changed places`,
        where,
      );
  }
}

/** Finds rows that are missing, doubled or out of order, and a missing end. */
export function judgeOrder(state: ExportState, { size }: SignedCheckpoint, ending: Ending): void {
  const { findings, runs, end } = state;
  const isCut = isCutAtEnd(state, ending);
  const covered = runs.at(-1)?.to ?? 0;
  if (!state.isOrdered || covered !== size || runs.length > 1) judgeRuns(state, size, isCut);
  if (isCut) {
    const missing =
      covered < size ? `${indexes(covered, size)} missing` : 'the last line is missing';
    const why = ending.broken === undefined ? '' : ` (${ending.broken})`;
    findings.add('cut_at_end', `cut at the end: ${missing}${why}`, {
      line: state.line + 1,
      index: covered,
    });
  } else if (end && findings.total === 0 && end.rows !== state.rows) {
    const { line, rows } = state;
    findings.add('end_altered', `the last line says ${end.rows} rows, there are ${rows}`, { line });
  }
}

function isCutAtEnd({ end, findings }: ExportState, { rest, broken }: Ending): boolean {
  if (end) return false;
  return (
    broken !== undefined || rest > 0 || !findings.list.some(({ code }) => code === 'end_altered')
  );
}

function judgeRuns(state: ExportState, size: number, isCut: boolean): void {
  const { findings, runs } = state;
  if (runs.length >= MAX_RUNS) {
    findings.add(
      'out_of_order',
      `out of order in more than ${MAX_RUNS} places, first at line ${runs[1]?.line ?? 2}`,
    );
    return;
  }
  for (const { code, message, ...where } of orderFindings(readableRuns(state, isCut), size))
    if (!(isCut && code === 'cut_at_end')) findings.add(code, message, where);
}

/** The runs; an unreadable last row counts as the row it stands for. */
function readableRuns({ runs, unreadableAt }: ExportState, isCut: boolean): readonly Run[] {
  const covered = runs.at(-1)?.to ?? 0;
  if (unreadableAt !== covered || isCut) return runs;
  const last = runs.at(-1) ?? { from: 0, line: 2 };
  return [...runs.slice(0, -1), { ...last, to: covered + 1 }];
}

/** Finds gaps in an export that claims to leave nothing out. */
export function judgeGaps(
  { header, end, gaps, findings }: ExportState,
  { size }: SignedCheckpoint,
): void {
  if (!header || header.filter !== null || !end) return;
  for (const { from, to, line } of gaps) {
    const isBefore = header.after !== null && from === 0 && to === header.after + 1;
    // Parts end where the log ended at first, but each is proven in the newest tree.
    const isAfter = (end.nextCursor !== null || header.after !== null) && to === size;
    if (isBefore || isAfter) continue;
    findings.add(
      'rows_missing',
      `missing: ${indexes(from, to)}, which an export without filter does not leave out`,
      { line, index: from },
    );
  }
}
