import { MAX_RUNS } from '../export/coverage.ts';
import { indexes } from '../export/findings.ts';
import { orderFindings } from '../export/row-order.ts';
import type { Opening } from './stream-events.ts';
import { reachedBy, type Connection, type StreamState } from './stream-state.ts';

/** Begins a connection, which must go on where the one before it was cut. */
export function openConnection(state: StreamState, opening: Opening): void {
  const before = state.connection;
  const from = opening.after + 1;
  const pendingRows = before ? joinConnections(state, before, opening) : 0;
  if (!before) requireBeginning(state, from);
  state.from ??= from;
  state.filter ??= opening.filter;
  state.connections += 1;
  state.end = undefined;
  state.connection = {
    filter: opening.filter,
    tree: opening.tree,
    isComparable: true,
    runs: [{ from: 0, to: from, line: state.line }],
    signedSize: from,
    statedSize: from,
    pendingRows,
  };
}

function requireBeginning({ after, findings, line }: StreamState, from: number): void {
  if (after === undefined || from <= after + 1) return;
  findings.add(
    'rows_missing',
    `missing: ${indexes(after + 1, from)}, since the stream begins later than was asked for`,
    { line, index: after + 1 },
  );
}

/** @returns the rows that the first checkpoint of the new connection covers as well */
function joinConnections(state: StreamState, before: Connection, opening: Opening): number {
  closeConnection(state, before);
  const { findings, line } = state;
  const reached = reachedBy(before);
  const from = opening.after + 1;
  const isSameTree =
    before.isComparable && from === reached && opening.tree.root().equals(before.tree.root());
  if (isSameTree) return before.pendingRows;
  state.unprovenRows += before.pendingRows;
  if (from > reached)
    findings.add('rows_missing', `missing: ${indexes(reached, from)}, between two connections`, {
      line,
      index: reached,
    });
  else if (from === reached && before.isComparable)
    findings.add(
      'history_rewritten',
      `history rewritten: the entries below index ${from} are not those of the connection before`,
      { line, index: from },
    );
  return 0;
}

/** Says what a connection left out, repeated or sent out of order. */
export function closeConnection(
  { findings }: Pick<StreamState, 'findings'>,
  { runs, statedSize }: Connection,
): void {
  const size = Math.max(statedSize, ...runs.map(({ to }) => to));
  if (runs.length === 1 && runs[0]?.to === size) return;
  if (runs.length >= MAX_RUNS) {
    const line = runs[1]?.line;
    findings.add(
      'out_of_order',
      `out of order in more than ${MAX_RUNS} places`,
      line === undefined ? {} : { line },
    );
    return;
  }
  for (const { code, message, ...where } of orderFindings(runs, size))
    findings.add(code, message, where);
}
