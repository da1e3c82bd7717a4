import { hash } from 'node:crypto';
import { openCheckpoint } from '../log/checkpoint.ts';
import { addUnreadable, coverLeaves, MAX_RUNS, saveEarlierRoot } from './coverage.ts';
import { VerifyError } from '../errors.ts';
import {
  type EventFacts,
  factsOf,
  type Gap,
  type Header,
  kindOf,
  readEnd,
  readGap,
  readHeader,
  readRow,
  type Row,
} from './export-lines.ts';
import type { ExportState } from './export-state.ts';
import { type FindingCode, MAX_FINDINGS } from './findings.ts';
import type { OnLine } from './lines.ts';

const NOT_A_ROW = 'row altered: it is not what a row looks like';

/** Reads an export into `state`, line by line. */
export function createExportReader(state: ExportState): OnLine {
  return (buffer, from, to) => {
    state.line += 1;
    if (state.stopped) return;
    if (state.line === 1) {
      acceptHeader(state, readHeader(buffer, from, to));
      return;
    }
    if (state.end) {
      const { line } = state;
      state.findings.add('trailing_data', 'there is something after the last line', { line });
      state.stopped = true;
      return;
    }
    switch (kindOf(buffer, from, to)) {
      case 'row':
        acceptRow(state, readRow(buffer, from, to));
        break;
      case 'gap':
        acceptGap(state, readGap(buffer, from, to));
        break;
      case 'end':
        state.end = readEnd(buffer, from, to);
        if (!state.end) addUnreadable(state, 'end_altered', 'the last line has another form');
        break;
      default:
        addUnreadable(state, 'row_altered', NOT_A_ROW);
    }
  };
}

function acceptHeader(state: ExportState, header: Header | undefined): void {
  state.header = header;
  if (!header) {
    state.stopped = true;
    return;
  }
  try {
    state.checkpoint = openCheckpoint(header.checkpoint, state.keys);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    state.findings.add(findingCode(error), `the checkpoint: ${error.message}`, {
      line: state.line,
    });
    state.stopped = true;
    return;
  }
  saveEarlierRoot(state);
}

export function findingCode({ code }: VerifyError): FindingCode {
  if (code === 'signature_invalid') return 'checkpoint_forged';
  return code === 'note_unverified' ? 'checkpoint_other_key' : 'checkpoint_malformed';
}

function acceptRow(state: ExportState, row: Row | undefined): void {
  if (!row) {
    addUnreadable(state, 'row_altered', NOT_A_ROW);
    return;
  }
  const { index, hash: stated } = row;
  state.rows += 1;
  state.firstIndex ??= index;
  state.lastIndex = index;
  const computed = hash('sha256', row.leaf, 'base64');
  if (computed !== stated) {
    if (state.mismatches.length < MAX_FINDINGS)
      state.mismatches.push({ line: state.line, index, stated, computed });
    else state.findings.count();
  }
  if (coverLeaves(state, index, index + 1)) {
    state.tree.append(Buffer.from(computed, 'base64'));
    saveEarlierRoot(state);
  }
  // Lane and personal values of an altered row prove nothing.
  if (computed !== stated) return;
  const facts = factsOf(row.record);
  if (facts) state.lanes.add(facts.lane, facts.seq);
  checkPersonal(state, row, facts);
}

/** Compares personal values with their commitment, SHA-256(salt ‖ values). */
export function checkPersonal(
  state: Pick<ExportState, 'findings' | 'line' | 'personalMatched' | 'personalWithheld'>,
  row: Row,
  facts: EventFacts | undefined,
): void {
  if (!row.personal) {
    if (facts?.commitment) state.personalWithheld += 1;
    return;
  }
  const bytes = Buffer.concat([row.personal.salt, row.personal.values]);
  if (facts?.commitment && hash('sha256', bytes, 'base64') === facts.commitment)
    state.personalMatched += 1;
  else
    state.findings.add(
      'personal_altered',
      'the personal values are not those that the event was sealed with',
      { line: state.line, index: row.index },
    );
}

function acceptGap(state: ExportState, gap: Gap | undefined): void {
  if (!gap) {
    addUnreadable(
      state,
      'gap_altered',
      'the hashes in place of rows left out are not those of a range of the log',
    );
    return;
  }
  const { from, to } = gap;
  state.gapLeaves += to - from;
  if (state.gaps.length < MAX_RUNS) state.gaps.push({ from, to, line: state.line });
  if (!coverLeaves(state, from, to)) return;
  for (const { root, height } of gap.subtrees) {
    state.tree.appendSubtree(root, height);
    saveEarlierRoot(state);
  }
}
