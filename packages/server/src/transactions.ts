import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely, Transaction } from 'kysely';
import { insertOutboxRows, type NewEvent, type OutboxRow, type PersonalValues, type PrepareEvent, type Subject } from '@muniment/audit-events';
import { isTransactionConflict } from '@muniment/database';
import { unauthenticated, type Principal, type SessionLookup, type Viewer } from '@muniment/security';

/** What of a request an event tells. A FastifyRequest is one; an operator's command makes its own. */
export interface RequestContext {
  readonly id: string;
  readonly ip: string;
  readonly headers: { readonly 'user-agent'?: string | undefined };
  readonly principal: Principal | null;
  readonly viewer?: Viewer | null;
  readonly traceparent: string | null;
}

/** An event as a handler states it: who, from where and under which request follows from the request. */
export interface RequestEvent extends Omit<NewEvent, 'subject' | 'personal' | 'request_id' | 'traceparent'> {
  /** Needed where nobody is signed in; else the caller. */
  subject?: Subject;
  /** On top of the address and user agent, which are always recorded. */
  personal?: PersonalValues;
}

/**
 * Runs one change in one transaction. `record` puts the change's event into the outbox of that transaction; a change that recorded none is
 * rolled back with an error, so that nothing can be acknowledged without its event. A change that PostgreSQL ended for the sake of another one
 * (deadlock, serialization) is run again from its start, three times at most: it must do nothing outside of its transaction.
 * Rejects with `unauthenticated` when the caller's session has ended since the request was let in: an upload may have taken minutes.
 */
export type InTransaction<DB> = <T>(
  request: RequestContext,
  change: (trx: Transaction<DB>, record: (event: RequestEvent) => Promise<string>) => Promise<T>,
) => Promise<T>;

/** Records what changes no row (a failed login, a download): committed when the promise resolves, before the answer's first byte. */
export type RecordFor = (request: RequestContext, event: RequestEvent) => Promise<string>;

function eventOf(request: RequestContext, event: RequestEvent): NewEvent {
  const { principal, viewer } = request;
  // Behind a viewer token there is somebody of whom only the address is known.
  const subject = event.subject ?? (principal ? { userId: principal.id } : viewer ? { address: request.ip } : undefined);
  if (!subject) throw new Error(`the event ${event.action} names no subject`);
  return {
    user_id: principal?.id ?? null,
    session_id: principal?.sessionId ?? null,
    ...(viewer && { tenant_id: viewer.tenantId }),
    ...event,
    ...(viewer && { metadata: { ...event.metadata, viewer_token: viewer.tokenId } }),
    subject,
    personal: { ip: request.ip, user_agent: request.headers['user-agent'] ?? null, ...event.personal },
    request_id: request.id,
    traceparent: request.traceparent,
  };
}

const TRIES = 3;

/**
 * Runs work again while PostgreSQL ends it for a conflict (deadlock, serialization), three times at most. The pause differs by chance, so that two which
 * met do not meet again.
 */
export async function retryConflicts<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === TRIES || !isTransactionConflict(error)) throw error;
      await sleep(attempt * (10 + Math.random() * 30));
    }
  }
}

/** Where a service's events go, and who tells that a caller is still signed in. */
export interface TransactionParts {
  /** Schema of the outbox, one of ours. */
  schema: string;
  prepareEvent: PrepareEvent;
  /** Asked before each change whether its caller is signed in still. */
  sessions: Pick<SessionLookup, 'isLive'>;
  /** Called after a commit, to wake the relay. */
  recorded(): void;
}

/** Makes the two ways in which anything leaves a trace. */
export function createTransactions<DB>(db: Kysely<DB>, { schema, prepareEvent, sessions, recorded }: TransactionParts): { inTransaction: InTransaction<DB>; recordFor: RecordFor } {
  return {
    async inTransaction(request, change) {
      const { principal } = request;
      if (principal && !(await sessions.isLive({ sessionId: principal.sessionId, userId: principal.id, role: principal.role })).live) throw unauthenticated();
      const answer = await retryConflicts(async () => {
        let written: Promise<void> = Promise.resolve();
        try {
          const answer = await db.transaction().execute(async (trx) => {
            const rows: OutboxRow[] = [];
            const answer = await change(trx, async (event) => {
              const row = await prepareEvent(trx, eventOf(request, event));
              rows.push(row);
              return row.id;
            });
            if (rows.length === 0) throw new Error('a change without an audit event');
            // Not waited for: COMMIT goes out right behind it, which saves each change a round trip. Behind a statement that failed it is a ROLLBACK.
            written = insertOutboxRows(trx, schema, rows);
            written.catch(() => {});
            return answer;
          });
          await written;
          return answer;
        } catch (error) {
          // That COMMIT only says that it was none; the events say why.
          await written;
          throw error;
        }
      });
      recorded();
      return answer;
    },
    async recordFor(request, event) {
      const row = await prepareEvent(db, eventOf(request, event));
      await insertOutboxRows(db, schema, [row]);
      recorded();
      return row.id;
    },
  };
}
