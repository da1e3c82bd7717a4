import { judgeMismatches } from '../export/judge-rows.ts';
import { judgeConsistency } from '../export/judge-tree.ts';
import { openEarlier, type VerifyOptions } from '../export/verify-export.ts';
import { closeConnection } from './connections.ts';
import { createEventReader } from './event-stream.ts';
import { acceptEvent } from './read-stream.ts';
import { createStreamReport, type StreamReport } from './stream-report.ts';
import { createStreamState } from './stream-state.ts';

export interface StreamVerifyOptions extends VerifyOptions {
  /**
   * The index behind which events were asked for, -1 for all. Absent: the stream may begin
   * anywhere, and the report says where.
   */
  after?: number | undefined;
}

export interface StreamVerification {
  /** Begins another recording. What the one before has of a cut event is dropped. */
  begin(): void;
  /** Takes the next bytes of the recording. @throws RangeError for a line of over 16 MiB */
  push(chunk: Uint8Array): void;
  end(): StreamReport;
}

/**
 * Verifies what was recorded of `GET /api/audit/stream?proof=true`, in constant memory, of one
 * connection or of several that followed each other.
 */
export function createStreamVerification(options: StreamVerifyOptions): StreamVerification {
  const { keys, after, earlier, consistencyProof } = options;
  const state = createStreamState(keys, after);
  if (earlier !== undefined) state.earlier = openEarlier(state, earlier);
  const begin = () => createEventReader((event) => acceptEvent(state, event));
  let read = begin();
  return {
    begin() {
      read = begin();
    },
    push: (chunk) => read(chunk),
    end() {
      const { connection, signed } = state;
      if (connection) closeConnection(state, connection);
      judgeMismatches(state);
      const consistency = signed ? judgeConsistency(state, signed, consistencyProof) : null;
      return createStreamReport(state, consistency);
    },
  };
}

/** Verifies recordings of connections that followed each other. */
export function verifyStream(
  recordings: readonly (string | Uint8Array)[],
  options: StreamVerifyOptions,
): StreamReport {
  const verification = createStreamVerification(options);
  for (const recording of recordings) {
    verification.begin();
    verification.push(typeof recording === 'string' ? Buffer.from(recording) : recording);
  }
  return verification.end();
}
