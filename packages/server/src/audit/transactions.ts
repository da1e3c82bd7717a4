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
import { createGather, isTransactionConflict } from '@muniment/database';
import {
  createConcurrencyLimit,
  Unauthenticated,
  type Principal,
  type RevalidatePrincipal,
  type Viewer,
} from '@muniment/security';

/** What events record of a request. An operator's command makes its own. */
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
 * A request that may be repeated under its Idempotency-Key. Its transaction stays open until the
 * answer and commits with it, so a crash leaves both or neither.
 */
export interface RepeatableRequest {
  /** Starts a transaction. @throws when another request with this key is in progress or done */
  claim<DB>(trx: Transaction<DB>): Promise<void>;
  pending: PendingCommit | undefined;
}

/** A request's transaction, complete but for its COMMIT. */
export interface PendingCommit {
  /** The user whom its first event is about. */
  userId: string | null;
  /** False for a mere record of what has happened either way. */
  changes: boolean;
  /** What waits for its COMMIT. */
  afterCommit: (() => void)[];
  /** Commits it, with a statement besides, or rolls it back. */
  end(outcome: Outcome): Promise<void>;
}
type Outcome = 'commit' | 'roll back' | RawBuilder<unknown>;

/** An event as a handler states it. The request adds the caller, the address and its id. */
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
 * Runs a change and its event in one transaction; a change without an event is rolled back. After a
 * conflict it runs again, so it must do nothing outside of its transaction.
 * @throws Unauthenticated when the session has ended since, e.g. during a long upload
 */
export type InTransaction<DB> = <T>(
  request: RequestContext,
  change: (trx: Transaction<DB>, record: (event: RequestEvent) => Promise<string>) => Promise<T>,
) => Promise<T>;

/** Records what changes no row, e.g. a failed login. Committed before the answer's first byte. */
export type RecordRequestEvent = (request: RequestContext, event: RequestEvent) => Promise<string>;

function eventOf(request: RequestContext, event: RequestEvent): NewEvent {
  const { principal, viewer } = request;
  // Of a viewer token's user only the address is known.
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
/** Inserts of mere records at once. Those that come meanwhile share the next one's commit. */
const MAX_INSERTS = 2;

/**
 * Runs work again after a deadlock or serialization failure, at most three times in all. The random
 * pause keeps two conflicting transactions from meeting again.
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

/** What transactions need of their service. */
export interface TransactionParts {
  /** Schema of the outbox, one of ours. */
  schema: string;
  prepareEvent: PrepareEvent;
  /** Called before each change: whether its caller is still signed in. */
  revalidatePrincipal: RevalidatePrincipal;
  /** Called after a commit, to wake the relay. */
  onCommit(): void;
  /** Requests that may hold a connection until their answer. Each may need a second one. */
  maxPendingCommits?: number;
}

/** Runs `act` after the request's COMMIT, e.g. to update caches; at once where none is pending. */
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

/** What the functions below share. */
interface Runner<DB> extends TransactionParts {
  db: Kysely<DB>;
  /** Bounds the requests that hold a connection until their answer. */
  gate: ReturnType<typeof createConcurrencyLimit>;
}

/** Creates the only two ways in which events are recorded. */
export function createTransactions<DB>(
  db: Kysely<DB>,
  parts: TransactionParts,
): { inTransaction: InTransaction<DB>; record: RecordRequestEvent } {
  const { maxPendingCommits: concurrency = 4 } = parts;
  const gate = createConcurrencyLimit({ concurrency, queueLimit: MAX_WAITING });
  const runner: Runner<DB> = { ...parts, db, gate };
  const insert = createGather<OutboxRow, void>({
    concurrency: MAX_INSERTS,
    async send(rows) {
      await insertOutboxRows(db, parts.schema, rows);
      return rows.map(() => undefined);
    },
  });
  return {
    async inTransaction(request, change) {
      const { principal } = request;
      if (principal && !(await parts.revalidatePrincipal(principal))) throw new Unauthenticated();
      if (request.idempotency) return runDeferred(runner, request, { changes: true, change });
      const result = await retryConflicts(() => run(runner, request, { change }));
      parts.onCommit();
      return result;
    },
    async record(request, event) {
      const change: Change<DB, string> = (_trx, record) => record(event);
      if (request.idempotency) return runDeferred(runner, request, { changes: false, change });
      const row = await parts.prepareEvent(db, eventOf(request, event));
      await insert(row);
      parts.onCommit();
      return row.id;
    },
  };
}

async function run<DB, T>(
  { db, schema, prepareEvent }: Runner<DB>,
  request: RequestContext,
  { change, beforeCommit }: { change: Change<DB, T>; beforeCommit?: BeforeCommit<T> },
): Promise<T> {
  let written: Promise<void> = Promise.resolve();
  try {
    const result = await db.transaction().execute(async (trx) => {
      if (beforeCommit) await request.idempotency?.claim(trx);
      const rows: OutboxRow[] = [];
      let userId: string | null = null;
      const changed = await change(trx, async (event) => {
        const stated = eventOf(request, event);
        if ('userId' in stated.subject) userId ??= stated.subject.userId;
        const row = await prepareEvent(trx, stated);
        rows.push(row);
        return row.id;
      });
      if (rows.length === 0) throw new Error('a change without an audit event');
      const outcome = (await beforeCommit?.(changed, userId)) ?? 'commit';
      if (outcome === 'roll back') throw new RolledBack();
      // Not awaited, so COMMIT follows without a round trip; after a failed statement PostgreSQL
      // rolls back. Only one statement can go so: Kysely would queue a second behind COMMIT.
      written = insertOutboxRows(trx, schema, rows, outcome === 'commit' ? undefined : outcome);
      written.catch(() => {});
      return changed;
    });
    await written;
    return result;
  } catch (error) {
    // The failed insert of the events is the cause of a failed COMMIT.
    await written;
    throw error;
  }
}

interface DeferredChange<DB, T> {
  changes: boolean;
  change: Change<DB, T>;
}

/** Resolves before the COMMIT, which waits for the request's answer. */
async function runDeferred<DB, T>(
  runner: Runner<DB>,
  request: RequestContext & { readonly idempotency?: RepeatableRequest | null },
  { changes, change }: DeferredChange<DB, T>,
): Promise<T> {
  const repeatable = request.idempotency;
  if (!repeatable) throw new Error('only a repeatable request defers its COMMIT');
  // An earlier transaction of the request commits alone; the answer goes with the last.
  const before = repeatable.pending;
  repeatable.pending = undefined;
  await before?.end('commit');
  return new Promise<T>((resolve, reject) => {
    let answered = false;
    const beforeCommit: BeforeCommit<T> = (result, userId) => {
      const outcome = Promise.withResolvers<Outcome>();
      answered = true;
      const end = (wanted: Outcome): Promise<void> => {
        outcome.resolve(wanted);
        return ended;
      };
      repeatable.pending = createPendingCommit({ userId, changes, end }, runner.onCommit);
      resolve(result);
      return outcome.promise;
    };
    // Once its result is in use, a transaction cannot run again.
    const attempt = () => run(runner, request, { change, beforeCommit });
    const ended: Promise<void> = runner.gate
      .run(() => retryConflicts(attempt, () => !answered))
      .then(() => undefined);
    ended.catch(reject);
  });
}

function createPendingCommit(
  { userId, changes, end }: Pick<PendingCommit, 'userId' | 'changes' | 'end'>,
  onCommit: () => void,
): PendingCommit {
  const pending: PendingCommit = {
    userId,
    changes,
    afterCommit: [],
    async end(wanted) {
      try {
        await end(wanted);
      } catch (error) {
        if (error instanceof RolledBack) return;
        throw error;
      }
      onCommit();
      for (const act of pending.afterCommit) act();
    },
  };
  return pending;
}
