import type { CallOptions } from '../core/call.ts';
import type { Api } from '../generated/api.ts';
import type { Schemas } from '../generated/schemas.ts';
import { followEvents } from './follow-events.ts';

export interface LogEvent {
  /** To resume behind it, as `lastEventId`. */
  id: string;
  entry: Schemas['AuditLogEntry'];
}

type AnyQuery = NonNullable<NonNullable<Parameters<Api['live']['streamLogs']>[0]>['query']>;
/** A stream with proofs is recorded and checked by audit-verify; its events are no entries. */
type Query = Omit<AnyQuery, 'proof'>;

export interface StreamInput extends Pick<CallOptions, 'signal' | 'headers'> {
  query?: Query;
  /** That of the last event which the caller has worked off. */
  lastEventId?: string;
  /** Milliseconds of silence after which the connection is taken for dead (60,000). */
  idleTimeoutMs?: number;
}

const IDLE_TIMEOUT_MS = 60_000;

/** Each entry once and in order, until the signal, or the end of the caller's loop. */
export async function* streamLogs(
  api: Api,
  input: StreamInput = {},
): AsyncGenerator<LogEvent, void, void> {
  const { signal, query, headers } = input;
  const events = followEvents({
    lastEventId: input.lastEventId,
    signal,
    idleTimeoutMs: input.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    async open(lastEventId) {
      const { data } = await api.live.streamLogs({
        ...(signal && { signal }),
        ...(query && { query }),
        // The stream has a patience of its own.
        maxAttempts: 1,
        headers: { ...headers, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
      });
      return data;
    },
  });
  for await (const { id, event, data } of events)
    if (event === 'audit') yield { id, entry: JSON.parse(data) as Schemas['AuditLogEntry'] };
}
