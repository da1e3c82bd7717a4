import { hash } from 'node:crypto';
import { VerifyError } from '../errors.ts';
import { MAX_RUNS } from '../export/coverage.ts';
import { factsOf, readGap, readRow, type Gap, type Row } from '../export/export-lines.ts';
import { indexes, MAX_FINDINGS } from '../export/findings.ts';
import { checkPersonal, findingCode } from '../export/read-export.ts';
import { openCheckpoint, type SignedCheckpoint } from '../log/checkpoint.ts';
import { openConnection } from './connections.ts';
import type { RecordedEvent } from './event-stream.ts';
import { readCheckpoint, readEnd, readOpening } from './stream-events.ts';
import { reachedBy, saveEarlierRoot, type Connection, type StreamState } from './stream-state.ts';

/** Reads a recording into `state`, event by event. Events of other names are none of the log. */
export function acceptEvent(state: StreamState, { name, data, line }: RecordedEvent): void {
  state.line = line;
  if (name === 'opening') acceptOpening(state, data);
  else if (name === 'end') state.end = readEnd(data) ?? state.end;
  else if (state.connection) acceptInConnection(state, state.connection, { name, data });
  else if (name === 'audit') state.unprovenRows += 1;
}

function acceptOpening(state: StreamState, data: Buffer): void {
  const opening = readOpening(data);
  if (opening) {
    openConnection(state, opening);
    state.earlierRoot = saveEarlierRoot(state);
  } else if (state.connection)
    state.findings.add('opening_altered', 'the opening of a connection has another form', {
      line: state.line,
    });
}

function acceptInConnection(
  state: StreamState,
  connection: Connection,
  { name, data }: Pick<RecordedEvent, 'name' | 'data'>,
): void {
  if (name === 'audit') acceptRow(state, connection, readRow(data, 0, data.length));
  else if (name === 'gap') acceptGap(state, connection, readGap(data, 0, data.length));
  else if (name === 'checkpoint') acceptCheckpoint(state, connection, readCheckpoint(data));
}

/** @returns whether the entries follow those before, so that they can join the tree */
function cover(connection: Connection, from: number, to: number, line: number): boolean {
  const { runs } = connection;
  const run = runs.at(-1);
  if (run?.to === from) run.to = to;
  else {
    if (runs.length < MAX_RUNS) runs.push({ from, to, line });
    connection.isComparable = false;
  }
  return connection.isComparable;
}

/** An event that cannot be read stands for the one that is due. */
function addUnreadable(
  { findings, line }: StreamState,
  connection: Connection,
  code: 'row_altered' | 'gap_altered',
): void {
  const index = reachedBy(connection);
  const run = connection.runs.at(-1);
  if (run && code === 'row_altered') run.to += 1;
  connection.isComparable = false;
  const what = code === 'row_altered' ? 'row altered: it is' : 'the hashes of rows left out are';
  findings.add(code, `${what} not what the stream sends`, { line, index });
}

function acceptRow(state: StreamState, connection: Connection, row: Row | undefined): void {
  if (!row) return addUnreadable(state, connection, 'row_altered');
  const { line } = state;
  const { index, hash: stated } = row;
  state.rows += 1;
  connection.pendingRows += 1;
  const computed = hash('sha256', row.leaf, 'base64');
  if (cover(connection, index, index + 1, line)) {
    connection.tree.append(Buffer.from(computed, 'base64'));
    state.earlierRoot = saveEarlierRoot(state);
    requireSameHistory(state, connection);
  }
  if (computed !== stated) {
    connection.isComparable = false;
    if (state.mismatches.length < MAX_FINDINGS)
      state.mismatches.push({ line, index, stated, computed });
    else state.findings.count();
    return;
  }
  const facts = factsOf(row.record);
  if (facts) state.lanes.add(facts.lane, facts.seq);
  checkPersonal(state, row, facts);
}

function acceptGap(state: StreamState, connection: Connection, gap: Gap | undefined): void {
  if (!gap) return addUnreadable(state, connection, 'gap_altered');
  const { from, to, subtrees } = gap;
  const { findings, line } = state;
  state.leftOut += to - from;
  if (connection.filter === null)
    findings.add(
      'rows_missing',
      `missing: ${indexes(from, to)}, which a stream without filter does not leave out`,
      { line, index: from },
    );
  if (!cover(connection, from, to, line)) return;
  for (const { root, height } of subtrees) {
    connection.tree.appendSubtree(root, height);
    state.earlierRoot = saveEarlierRoot(state);
    requireSameHistory(state, connection);
  }
}

function acceptCheckpoint(
  state: StreamState,
  connection: Connection,
  note: string | undefined,
): void {
  const { findings, line } = state;
  if (note === undefined) {
    findings.add('checkpoint_malformed', 'a checkpoint has another form', { line });
    return;
  }
  try {
    compareWithSigned(state, connection, openCheckpoint(note, state.keys));
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    findings.add(findingCode(error), `the checkpoint: ${error.message}`, { line });
  }
}

/** A connection that repeats what was signed must repeat the same. */
function requireSameHistory(
  { signed, findings, line }: StreamState,
  { tree, isComparable }: Connection,
): void {
  if (!isComparable || tree.size !== signed?.size || tree.root().equals(signed.root)) return;
  findings.add(
    'history_rewritten',
    `history rewritten: the entries below index ${tree.size} ` +
      'are not those of the connection before',
    { line, index: tree.size - 1 },
  );
}

/** A checkpoint of another size than the tree's cannot be compared, and proves nothing. */
function compareWithSigned(
  state: StreamState,
  connection: Connection,
  signed: SignedCheckpoint,
): void {
  const { tree, signedSize } = connection;
  connection.statedSize = Math.max(connection.statedSize, signed.size);
  if (!connection.isComparable || tree.size !== signed.size) return;
  if (tree.root().equals(signed.root)) {
    if (!state.signed || signed.size > state.signed.size) state.signed = signed;
    state.checkpoints += 1;
    connection.signedSize = signed.size;
    connection.pendingRows = 0;
    return;
  }
  connection.isComparable = false;
  const where =
    signedSize === signed.size
      ? `the entries below index ${signedSize}`
      : indexes(signedSize, signed.size);
  state.findings.add(
    'tree_mismatch',
    `not what was sealed: ${where}. At least one was altered together with its hash, ` +
      'or the hashes of the opening or of a gap were',
    { line: state.line, index: Math.min(signedSize, signed.size - 1) },
  );
}
