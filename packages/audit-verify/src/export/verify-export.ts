import { openCheckpoint, type SignedCheckpoint } from '../log/checkpoint.ts';
import { VerifyError } from '../errors.ts';
import { createExportState, type ExportState } from './export-state.ts';
import { judgeGaps, judgeMismatches, judgeOrder } from './judge-rows.ts';
import { judgeConsistency, judgeTree } from './judge-tree.ts';
import { createLineSplitter } from './lines.ts';
import type { VerifierKey } from '../log/note.ts';
import { createExportReader } from './read-export.ts';
import { type ConsistencyReport, createReport, type Report } from './report.ts';

export interface VerifyOptions {
  /** Trusted keys of one log. There are several after a rotation. */
  keys: readonly VerifierKey[];
  /** A signed note saved from before. The export must not contradict it. */
  earlier?: string | Uint8Array | undefined;
  /**
   * Hashes of the answer of `GET /api/audit/consistency`, base64.
   * Needed only where the export leaves out the rows around the earlier size.
   */
  consistencyProof?: readonly string[] | undefined;
}

export interface ExportVerification {
  /** Takes the next bytes of the export, uncompressed. */
  push(chunk: Uint8Array): void;
  /** @param broken why the bytes end early, if they do */
  end(broken?: string): Report;
}

/** Verifies an export while its bytes come in, in constant memory. */
export function createExportVerification({
  keys,
  earlier,
  consistencyProof,
}: VerifyOptions): ExportVerification {
  const state = createExportState(keys);
  if (earlier !== undefined) state.earlier = openEarlier(state, earlier);
  const splitter = createLineSplitter(createExportReader(state));
  return {
    push: (chunk) => {
      if (!state.stopped) splitter.push(chunk);
    },
    end(broken) {
      const { checkpoint } = state;
      let consistency: ConsistencyReport | null = null;
      if (checkpoint) {
        judgeMismatches(state);
        judgeOrder(state, checkpoint, { rest: splitter.rest, broken });
        judgeGaps(state, checkpoint);
        judgeTree(state, checkpoint);
        // Last: an export with other findings proves no consistency.
        consistency = judgeConsistency(state, checkpoint, consistencyProof);
      }
      return createReport(state, consistency);
    },
  };
}

export function openEarlier(
  { keys, findings }: Pick<ExportState, 'keys' | 'findings'>,
  note: string | Uint8Array,
): SignedCheckpoint | undefined {
  try {
    return openCheckpoint(note, keys);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    findings.add(
      'earlier_checkpoint_forged',
      `the earlier checkpoint cannot be relied on: ${error.message}`,
    );
    return undefined;
  }
}

/**
 * Verifies an export from a stream of its bytes, uncompressed.
 * A stream that fails (a gzip cut short) counts as an export cut at the end.
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
