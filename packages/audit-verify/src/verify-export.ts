import { hash } from 'node:crypto';
import { decodeBase64 } from './base64.ts';
import { openCheckpoint, type SignedCheckpoint } from './checkpoint.ts';
import { createCompactRange } from './compact-range.ts';
import { VerifyError } from './errors.ts';
import {
  factsOf,
  kindOf,
  readEnd,
  readGap,
  readHeader,
  readRow,
  type End,
  type Header,
} from './export-lines.ts';
import { indexes, type Finding, type FindingCode } from './findings.ts';
import { createLaneContinuity, type LaneReport } from './lane-continuity.ts';
import { createLineSplitter } from './lines.ts';
import { verifyConsistency } from './merkle.ts';
import type { VerifierKey } from './note.ts';
import { orderFindings, type Run } from './row-order.ts';

/** Findings that are kept; what comes after is counted. */
const MAX_FINDINGS = 100;
/** Breaks of the order that are kept; an export with more is not worth a description. */
const MAX_RUNS = 1_000;

export interface VerifyOptions {
  /** Trusted, all of one log: more than one after the signing key was rotated. */
  keys: readonly VerifierKey[];
  /** A signed note that was kept from earlier: the export must not contradict it. */
  earlier?: string | Uint8Array | undefined;
  /** Hashes of the answer of `GET /api/audit/consistency`, base64; needed only where the export leaves out the rows around the earlier size. */
  consistencyProof?: readonly string[] | undefined;
}

/**
 * `proven`: the export holds every row of the log up to its checkpoint, each as it was sealed. `incomplete`: all that it holds is as it was
 * sealed, but it leaves rows out, or something that was asked for could not be decided. `refuted`: see `findings`. `unreadable`: no export.
 */
export type Verdict = 'proven' | 'incomplete' | 'refuted' | 'unreadable';

export interface Report {
  verdict: Verdict;
  /** The first hundred. */
  findings: Finding[];
  findings_total: number;
  checkpoint: { origin: string; size: number; root: string; signed_by: string[] } | null;
  rows: number;
  first_index: number | null;
  last_index: number | null;
  /** Leaves of the checkpoint's tree that are not among the rows. */
  left_out: number;
  filter: unknown;
  /** Index of the last row of the part before this one. */
  after: number | null;
  /** Where the next part begins; null: this is the last. */
  next_cursor: string | null;
  /** `needed`: what would decide it. */
  consistency: {
    earlier_size: number;
    outcome: 'proven' | 'unproven' | 'refuted';
    needed: string | null;
  } | null;
  /** Rows whose personal values are those committed to, and rows that have some but do not show them. */
  personal: { matched: number; withheld: number };
  lanes: LaneReport[];
}

export interface ExportVerification {
  /** Bytes of the export, in order, uncompressed. */
  push(chunk: Uint8Array): void;
  /** @param broken why the bytes end here, if not because the file does */
  end(broken?: string): Report;
}

/** Verifies an export while its bytes come in, in constant memory. */
export function createExportVerification({
  keys,
  earlier: earlierNote,
  consistencyProof,
}: VerifyOptions): ExportVerification {
  const findings: Finding[] = [];
  let findingsTotal = 0;
  const find = (
    code: FindingCode,
    message: string,
    where: Pick<Finding, 'line' | 'index'> = {},
  ): void => {
    findingsTotal += 1;
    if (findings.length < MAX_FINDINGS) findings.push({ code, message, ...where });
  };

  let line = 0;
  let header: Header | undefined;
  let checkpoint: SignedCheckpoint | undefined;
  let end: End | undefined;
  /** Nothing after this can be judged. */
  let stopped = false;

  const earlier = earlierNote === undefined ? undefined : openEarlier(earlierNote);
  let earlierRoot: Buffer | undefined;

  const tree = createCompactRange();
  const runs: Run[] = [];
  /** As long as lines follow each other, the tree can be built. */
  let isOrdered = true;
  /** An unreadable line that must have been the row expected there. */
  let unreadableAt: number | undefined;
  let rows = 0;
  let first: number | null = null;
  let last: number | null = null;
  let matched = 0;
  let withheld = 0;
  const gaps: { from: number; to: number; line: number }[] = [];
  let gapLeaves = 0;
  const misfits: { line: number; index: number; stated: string; computed: string }[] = [];
  const lanes = createLaneContinuity();

  function openEarlier(note: string | Uint8Array): SignedCheckpoint | undefined {
    try {
      return openCheckpoint(note, keys);
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      find(
        'earlier_checkpoint_forged',
        `the earlier checkpoint cannot be relied on: ${error.message}`,
      );
      return undefined;
    }
  }

  function onHeader(buffer: Buffer, from: number, to: number): void {
    header = readHeader(buffer, from, to);
    if (!header) {
      stopped = true;
      return;
    }
    try {
      checkpoint = openCheckpoint(header.checkpoint, keys);
    } catch (error) {
      if (!(error instanceof VerifyError)) throw error;
      const code =
        error.code === 'signature_invalid'
          ? 'checkpoint_forged'
          : error.code === 'note_unverified'
            ? 'checkpoint_other_key'
            : 'checkpoint_malformed';
      find(code, `the checkpoint: ${error.message}`, { line });
      stopped = true;
      return;
    }
    noteSize();
  }

  /** The root at the size of the earlier checkpoint, on the way past it. */
  function noteSize(): void {
    if (earlier && tree.size === earlier.size) earlierRoot = tree.root();
  }

  /** Notes that the line covers [from, to). @returns whether it stands where it belongs, with all before it */
  function cover(from: number, to: number): boolean {
    if (checkpoint && to > checkpoint.size) {
      find(
        'not_in_checkpoint',
        `${indexes(from, to)} is beyond the checkpoint, whose tree has ${checkpoint.size} leaves`,
        { line, index: from },
      );
      isOrdered = false;
      return false;
    }
    const run = runs.at(-1);
    const expected = run?.to ?? 0;
    if (unreadableAt !== undefined && from === unreadableAt + 1 && from === expected + 1) {
      if (run) run.to = to;
      else runs.push({ from: expected, to, line });
      unreadableAt = undefined;
      return false;
    }
    unreadableAt = undefined;
    if (from === expected && run) run.to = to;
    else if (runs.length < MAX_RUNS) runs.push({ from, to, line });
    if (from !== expected) isOrdered = false;
    return isOrdered;
  }

  function onRow(buffer: Buffer, from: number, to: number): void {
    const row = readRow(buffer, from, to);
    if (!row) {
      onUnreadable('row_altered', 'row altered: it is not what a row looks like');
      return;
    }
    rows += 1;
    first ??= row.index;
    last = row.index;
    const computed = hash('sha256', row.leaf, 'base64');
    if (computed !== row.hash) {
      if (misfits.length < MAX_FINDINGS)
        misfits.push({ line, index: row.index, stated: row.hash, computed });
      else findingsTotal += 1;
    }
    if (cover(row.index, row.index + 1)) {
      tree.append(Buffer.from(computed, 'base64'));
      noteSize();
    }
    // Of a row that is altered nothing more is to be said.
    if (computed !== row.hash) return;
    const facts = factsOf(row.record);
    if (facts) lanes.add(facts.lane, facts.seq);
    if (!row.personal) {
      if (facts?.commitment) withheld += 1;
      return;
    }
    // As they were committed to: salt, then values.
    if (
      facts?.commitment &&
      hash('sha256', Buffer.concat([row.personal.salt, row.personal.values]), 'base64') ===
        facts.commitment
    )
      matched += 1;
    else
      find('personal_altered', 'the personal values are not those that the event was sealed with', {
        line,
        index: row.index,
      });
  }

  function onGap(buffer: Buffer, from: number, to: number): void {
    const gap = readGap(buffer, from, to);
    if (!gap) {
      onUnreadable(
        'gap_altered',
        'the hashes in place of rows left out are not those of a range of the log',
      );
      return;
    }
    gapLeaves += gap.to - gap.from;
    if (gaps.length < MAX_RUNS) gaps.push({ from: gap.from, to: gap.to, line });
    if (!cover(gap.from, gap.to)) return;
    for (const { root, height } of gap.subtrees) {
      tree.appendSubtree(root, height);
      noteSize();
    }
  }

  function onUnreadable(code: FindingCode, message: string): void {
    const index = runs.at(-1)?.to ?? 0;
    find(code, message, { line, index });
    if (code === 'row_altered') unreadableAt = index;
    isOrdered = false;
  }

  const splitter = createLineSplitter((buffer, from, to) => {
    line += 1;
    if (stopped) return;
    if (line === 1) {
      onHeader(buffer, from, to);
      return;
    }
    if (end) {
      find('trailing_data', 'there is something after the last line', { line });
      stopped = true;
      return;
    }
    const kind = kindOf(buffer, from, to);
    if (kind === 'row') onRow(buffer, from, to);
    else if (kind === 'gap') onGap(buffer, from, to);
    else if (kind === 'end' && (end = readEnd(buffer, from, to))) return;
    else
      onUnreadable(
        kind === 'end' ? 'end_altered' : 'row_altered',
        kind === 'end'
          ? 'the last line is not what one looks like'
          : 'row altered: it is not what a row looks like',
      );
  });

  /** Rows whose records changed places under their hashes are told from rows that were altered. */
  function judgeMisfits(): void {
    for (const one of misfits) {
      const other = misfits.find(
        ({ computed, stated }) => computed === one.stated && stated === one.computed,
      );
      const where = { line: one.line, index: one.index };
      if (!other) find('row_altered', 'row altered: its bytes do not give its hash', where);
      else if (one.index < other.index)
        find(
          'rows_swapped',
          `swapped: the records of ${indexes(one.index, one.index + 1)} and ${indexes(other.index, other.index + 1)} (line ${other.line}) have changed places`,
          where,
        );
    }
  }

  function judgeOrder({ size }: SignedCheckpoint, broken: string | undefined): void {
    const isCut =
      !end &&
      (broken !== undefined ||
        splitter.rest > 0 ||
        !findings.some(({ code }) => code === 'end_altered'));
    const covered = runs.at(-1)?.to ?? 0;
    if (!isOrdered || covered !== size || runs.length > 1) {
      const reach =
        unreadableAt === covered && isCut
          ? covered
          : unreadableAt === covered
            ? covered + 1
            : covered;
      if (runs.length >= MAX_RUNS)
        find(
          'out_of_order',
          `out of order in more than ${MAX_RUNS} places, first at line ${runs[1]?.line ?? 2}`,
        );
      else {
        const patched =
          reach > covered
            ? [...runs.slice(0, -1), { ...(runs.at(-1) ?? { from: 0, line: 2 }), to: reach }]
            : runs;
        for (const { code, message, ...where } of orderFindings(patched, size))
          if (!(isCut && code === 'cut_at_end')) find(code, message, where);
      }
    }
    if (isCut) {
      const missing =
        covered < size ? `${indexes(covered, size)} missing` : 'the last line is missing';
      find(
        'cut_at_end',
        `cut at the end: ${missing}${broken === undefined ? '' : ` (${broken})`}`,
        { line: line + 1, index: covered },
      );
    } else if (end && findingsTotal === 0 && end.rows !== rows) {
      find('end_altered', `the last line says ${end.rows} rows, there are ${rows}`, { line });
    }
  }

  /** What an export that claims to leave nothing out leaves out nevertheless. */
  function judgeGaps({ size }: SignedCheckpoint): void {
    if (!header || header.filter !== null || !end) return;
    for (const { from, to, line: at } of gaps) {
      const isBefore = header.after !== null && from === 0 && to === header.after + 1;
      // The parts of one export end where the log ended when the first was made, and each is proven in the newest tree.
      const isAfter = (end.nextCursor !== null || header.after !== null) && to === size;
      if (isBefore || isAfter) continue;
      find(
        'rows_missing',
        `missing: ${indexes(from, to)}, which an export without filter does not leave out`,
        { line: at, index: from },
      );
    }
  }

  function judgeTree(signed: SignedCheckpoint): void {
    // A row whose bytes do not give its hash is reason enough for another root.
    if (
      misfits.length > 0 ||
      tree.size !== signed.size ||
      !isOrdered ||
      tree.root().equals(signed.root)
    )
      return;
    const range =
      earlier && earlierRoot && earlier.size < signed.size
        ? earlierRoot.equals(earlier.root)
          ? ` It is at index ${earlier.size} or above: up to there the earlier checkpoint holds.`
          : ` It is below index ${earlier.size}.`
        : '';
    find(
      'tree_mismatch',
      `the rows are not those that were sealed: at least one was altered together with its hash, or the hashes of rows left out were.${range}`,
    );
  }

  function judgeConsistency(signed: SignedCheckpoint): Report['consistency'] {
    if (!earlier) return null;
    const answer = (
      outcome: 'proven' | 'unproven' | 'refuted',
      needed: string | null = null,
    ): Report['consistency'] => ({ earlier_size: earlier.size, outcome, needed });
    if (findingsTotal > 0) return answer('unproven', 'an export that is right in itself');
    const rewritten = (): Report['consistency'] => {
      find(
        'history_rewritten',
        `history rewritten: the first ${Math.min(earlier.size, signed.size)} leaves are not those that the earlier checkpoint commits to`,
      );
      return answer('refuted');
    };
    if (earlierRoot) return earlierRoot.equals(earlier.root) ? answer('proven') : rewritten();
    const [older, newer] = earlier.size < signed.size ? [earlier, signed] : [signed, earlier];
    if (!consistencyProof)
      return answer(
        'unproven',
        `the answer of GET /api/audit/consistency?from=${older.size}&to=${newer.size}, as --consistency`,
      );
    const proof = consistencyProof.map((text) => decodeBase64(text) ?? Buffer.alloc(0));
    if (
      verifyConsistency({
        oldSize: older.size,
        newSize: newer.size,
        oldRoot: older.root,
        newRoot: newer.root,
        proof,
      })
    )
      return answer('proven');
    find(
      'consistency_proof_wrong',
      `the proof of consistency does not lead from ${older.size} leaves to ${newer.size}: it is of other sizes, or history was rewritten`,
    );
    return answer('refuted');
  }

  return {
    push: (chunk) => {
      if (!stopped) splitter.push(chunk);
    },
    end(broken) {
      let consistency: Report['consistency'] = null;
      if (checkpoint) {
        judgeMisfits();
        judgeOrder(checkpoint, broken);
        judgeGaps(checkpoint);
        judgeTree(checkpoint);
        consistency = judgeConsistency(checkpoint);
      }
      const size = checkpoint?.size ?? 0;
      const verdict = !header
        ? 'unreadable'
        : findingsTotal > 0
          ? 'refuted'
          : rows < size || consistency?.outcome === 'unproven'
            ? 'incomplete'
            : 'proven';
      return {
        verdict,
        findings: findings.toSorted(
          (a, b) => (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER),
        ),
        findings_total: findingsTotal,
        checkpoint: checkpoint
          ? {
              origin: checkpoint.origin,
              size,
              root: checkpoint.root.toString('base64'),
              signed_by: checkpoint.signatures.map(
                ({ name, id }) => `${name}+${id.toString(16).padStart(8, '0')}`,
              ),
            }
          : null,
        rows,
        first_index: first,
        last_index: last,
        left_out: gapLeaves,
        filter: header?.filter ?? null,
        after: header?.after ?? null,
        next_cursor: end?.nextCursor ?? null,
        consistency,
        personal: { matched, withheld },
        lanes: lanes.report(),
      };
    },
  };
}

/**
 * Verifies an export from a stream of its bytes, uncompressed. Where the stream fails on the way (a gzip cut short), what came until then is judged
 * as an export cut at the end.
 */
export async function verifyExport(
  input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: VerifyOptions,
): Promise<Report> {
  const verification = createExportVerification(options);
  try {
    for await (const chunk of input) verification.push(chunk);
  } catch (error) {
    return verification.end(error instanceof Error ? error.message : String(error));
  }
  return verification.end();
}
