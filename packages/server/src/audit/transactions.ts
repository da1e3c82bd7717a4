import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely, RawBuilder, Transaction } from 'kysely';
import {
  insertOutboxRows,
  type NewEvent,
  type OutboxRow,
  type PersonalValues,
  type PrepareEvent,
  type Subject,
} from '@muniment/audit-events';
import { isTransactionConflict } from '@muniment/database';
import {
  createConcurrencyLimit,
  Unauthenticated,
  type Principal,
  type RevalidatePrincipal,
  type Viewer,
} from '@muniment/security';

/** What of a request an event tells. A FastifyRequest is one; an operator's command makes its own. */
export interface RequestContext {
  readonly id: string;
  readonly ip: string;
  readonly headers: { readonly 'user-agent'?: string | undefined };
  readonly principal: Principal | null;
  readonly viewer?: Viewer | null;
  readonly traceparent: string | null;
  /** Only under an Idempotency-Key. */
  readonly idempotency?: RepeatableRequest | null;
}

/**
 * A request that may come again under its Idempotency-Key. What it commits is held open until it is answered and committed with that answer: after any crash
 * there are both or neither.
 */
export interface RepeatableRequest {
  /** First thing in a transaction. @throws when the key is being acted upon by another request, or has been */
  claim<DB>(trx: Transaction<DB>): Promise<void>;
  pending: PendingCommit | undefined;
}

/** What a request has done and not yet committed. */
export interface PendingCommit {
  /** Whom its first event is about. */
  userId: string | null;
  /** false: it is a record of something that has happened either way. */
  changes: boolean;
  /** What waits for its COMMIT. */
  afterCommit: (() => void)[];
  /** Commits it, with a statement besides, or rolls it back. */
  end(outcome: Outcome): Promise<void>;
}
type Outcome = 'commit' | 'roll back' | RawBuilder<unknown>;

/** An event as a handler states it: who, from where and under which request follows from the request. */
export interface RequestEvent extends Omit<
  NewEvent,
  'subject' | 'personal' | 'request_id' | 'traceparent'
> {
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
export type RecordRequestEvent = (request: RequestContext, event: RequestEvent) => Promise<string>;

function eventOf(request: RequestContext, event: RequestEvent): NewEvent {
  const { principal, viewer } = request;
  // Behind a viewer token there is somebody of whom only the address is known.
  const subject =
    event.subject ??
    (principal ? { userId: principal.id } : viewer ? { address: request.ip } : undefined);
  if (!subject) throw new Error(`the event ${event.action} names no subject`);
  return {
    user_id: principal?.id ?? null,
    session_id: principal?.sessionId ?? null,
    ...(viewer && { tenant_id: viewer.tenantId }),
    ...event,
    ...(viewer && { metadata: { ...event.metadata, viewer_token: viewer.tokenId } }),
    ...(principal?.apiToken && {
      metadata: { ...event.metadata, api_token: principal.apiToken.id },
    }),
    subject,
    personal: {
      ip: request.ip,
      user_agent: request.headers['user-agent'] ?? null,
      ...event.personal,
    },
    request_id: request.id,
    traceparent: request.traceparent,
  };
}

const MAX_ATTEMPTS = 3;
const MAX_WAITING = 1_000;

/**
 * Runs work again while PostgreSQL ends it for a conflict (deadlock, serialization), three times at most. The pause differs by chance, so that two which
 * met do not meet again.
 */
export async function retryConflicts<T>(
  work: () => Promise<T>,
  mayRetry = (): boolean => true,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isTransactionConflict(error) || !mayRetry()) throw error;
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
  revalidatePrincipal: RevalidatePrincipal;
  /** Called after a commit, to wake the relay. */
  onCommit(): void;
  /** How many requests may hold a connection until they are answered. Fewer than there are: each may need another one on its way. */
  maxPendingCommits?: number;
}

/** Does what must follow the COMMIT of what the request has done, such as telling this replica's caches: at once, or where it waits for the answer, after it. */
export function afterCommit(request: Pick<RequestContext, 'idempotency'>, act: () => void): void {
  if (request.idempotency?.pending) request.idempotency.pending.afterCommit.push(act);
  else act();
}

type Change<DB, T> = Parameters<InTransaction<DB>>[1] extends (...args: infer Args) => unknown
  ? (...args: Args) => Promise<T>
  : never;
/** Called when all is done but the COMMIT. */
type BeforeCommit<T> = (result: T, userId: string | null) => Promise<Outcome>;

class RolledBack extends Error {}

/** Makes the two ways in which anything leaves a trace. */
export function createTransactions<DB>(
  db: Kysely<DB>,
  { schema, prepareEvent, revalidatePrincipal, onCommit, maxPendingCommits = 4 }: TransactionParts,
): { inTransaction: InTransaction<DB>; record: RecordRequestEvent } {
  const gate = createConcurrencyLimit({ concurrency: maxPendingCommits, queueLimit: MAX_WAITING });

  async function run<T>(
    request: RequestContext,
    change: Change<DB, T>,
    beforeCommit?: BeforeCommit<T>,
  ): Promise<T> {
    let written: Promise<void> = Promise.resolve();
    try {
      const result = await db.transaction().execute(async (trx) => {
        if (beforeCommit) await request.idempotency?.claim(trx);
        const rows: OutboxRow[] = [];
        let userId: string | null = null;
        const result = await change(trx, async (event) => {
          const stated = eventOf(request, event);
          if ('userId' in stated.subject) userId ??= stated.subject.userId;
          const row = await prepareEvent(trx, stated);
          rows.push(row);
          return row.id;
        });
        if (rows.length === 0) throw new Error('a change without an audit event');
        const outcome = (await beforeCommit?.(result, userId)) ?? 'commit';
        if (outcome === 'roll back') throw new RolledBack();
        // Not waited for: COMMIT goes out right behind it, which saves each change a round trip. Behind a statement that failed it is a ROLLBACK.
        // No more than one statement can go so: Kysely lets a second wait for the first, and COMMIT for neither.
        written = insertOutboxRows(trx, schema, rows, outcome === 'commit' ? undefined : outcome);
        written.catch(() => {});
        return result;
      });
      await written;
      return result;
    } catch (error) {
      // That COMMIT only says that it was none; the events say why.
      await written;
      throw error;
    }
  }

  /** Answers as soon as all is done but the COMMIT, which waits for what the request is answered. */
  async function runDeferred<T>(
    request: RequestContext,
    repeatable: RepeatableRequest,
    changes: boolean,
    change: Change<DB, T>,
  ): Promise<T> {
    // Another unit of the same request stands for itself; the answer goes with the last.
    const before = repeatable.pending;
    repeatable.pending = undefined;
    await before?.end('commit');
    return new Promise<T>((resolve, reject) => {
      let handedOver = false;
      const ended = gate.run(() =>
        retryConflicts(
          () =>
            run(request, change, (result, userId) => {
              const outcome = Promise.withResolvers<Outcome>();
              handedOver = true;
              const held: PendingCommit = {
                userId,
                changes,
                afterCommit: [],
                async end(wanted) {
                  outcome.resolve(wanted);
                  try {
                    await ended;
                  } catch (error) {
                    if (error instanceof RolledBack) return;
                    throw error;
                  }
                  onCommit();
                  for (const act of held.afterCommit) act();
                },
              };
              repeatable.pending = held;
              resolve(result);
              return outcome.promise;
              // Its result has been used: it cannot be made anew.
            }),
          () => !handedOver,
        ),
      );
      ended.catch(reject);
    });
  }

  return {
    async inTransaction(request, change) {
      const { principal } = request;
      if (principal && !(await revalidatePrincipal(principal))) throw new Unauthenticated();
      if (request.idempotency) return runDeferred(request, request.idempotency, true, change);
      const result = await retryConflicts(() => run(request, change));
      onCommit();
      return result;
    },
    async record(request, event) {
      if (request.idempotency)
        return runDeferred(request, request.idempotency, false, (_trx, record) => record(event));
      const row = await prepareEvent(db, eventOf(request, event));
      await insertOutboxRows(db, schema, [row]);
      onCommit();
      return row.id;
    },
  };
}
