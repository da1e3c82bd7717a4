import { sql, type Kysely, type Transaction } from 'kysely';
import type { FastifyBaseLogger } from 'fastify';
import { Gauge, type Registry } from 'prom-client';
import type { SubjectKeys } from '@muniment/audit-events';
import { createWakeUp } from '@muniment/security';
import type { App } from '../http/create-app.ts';
import { deleteAnswersOfUser } from '../idempotency/answers.ts';
import { repeat, type BackgroundLoop } from '../lifecycle/background-loops.ts';
import type { Jobs } from '../lifecycle/jobs.ts';
import type { Rest } from './activity.ts';

/** A service's part in the deletion of a user. */
export interface ErasurePart<DB = unknown> {
  /** The column of `shared.erasures` that says this part is done. */
  column: 'identity_done' | 'files_done' | 'audit_done';
  /** Must be idempotent: it is called again until it has succeeded once. */
  erase(userId: string): Promise<void>;
  /** Runs in the transaction that marks the part as done, so exactly once over all replicas. */
  ticked?(trx: Transaction<DB>, userId: string): Promise<void>;
}

const PAUSE_MS = 500;
/** Caches live a minute at most: after that, what is erased has nothing left to drop. */
const DROP_WINDOW = "interval '2 minutes'";
/** Keys that nobody asked for during this time are dropped when the fleet rests. */
const UNUSED_MS = 10_000;

/** What the loop needs of the keys in this replica's memory. */
export type CachedKeys = Pick<SubjectKeys, 'drop' | 'clear' | 'unusedMs' | 'onUse'>;

/** Marks the part as done. Of several replicas that did the work, only one marks it. */
async function tickOff<DB>(db: Kysely<DB>, part: ErasurePart<DB>, userId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const column = sql.ref(part.column);
    const { numAffectedRows } = await sql`update shared.erasures set ${column} = true
        where user_id = ${userId} and not ${column}`.execute(trx);
    if (numAffectedRows === 1n) await part.ticked?.(trx, userId);
  });
}

interface Listed {
  subject: string;
  /** Whether this service's part in the erasure is to be done. */
  is_open: boolean;
}

/** Subjects that caches must drop. A key may be destroyed long after the request. */
async function listErased<DB>(db: Kysely<DB>, column: ErasurePart['column']): Promise<Listed[]> {
  const { rows } = await sql<Listed>`
    select user_id::text as subject, not ${sql.ref(column)} as is_open from shared.erasures
    where not ${sql.ref(column)} or not audit_done
      or requested_at > now() - ${sql.raw(DROP_WINDOW)}
    union all
    select subject, false from keys.list_erased(${sql.raw(DROP_WINDOW)})`.execute(db);
  return rows;
}

/**
 * A key may be destroyed without an event, and is dropped within a second. So the loop rests only
 * without a key in memory, and the first use of one ends the rest.
 */
function restWithoutKeys(rest: Rest, keys: CachedKeys, isIdle: () => boolean): Rest {
  const uses = createWakeUp();
  keys.onUse(uses.wake);
  return {
    isResting: () => isIdle() && rest.isResting() && keys.unusedMs() > UNUSED_MS,
    async untilWork(ms, signal) {
      keys.clear();
      const ended = new AbortController();
      const either = AbortSignal.any([signal, ended.signal]);
      await Promise.race([rest.untilWork(ms, either), uses.wait(ms, either)]);
      ended.abort();
    },
  };
}

/**
 * Carries out requested erasures, and drops each user from this replica's caches in every round of
 * the window, since a request in progress may fill a cache again. A failed erasure blocks no other.
 */
export function createErasureLoop<DB>(
  db: Kysely<DB>,
  part: ErasurePart<DB>,
  keys: CachedKeys,
  onError: (error: unknown) => void,
): BackgroundLoop {
  let isIdle = false;
  const loop = repeat(
    'erasures',
    PAUSE_MS,
    async () => {
      const listed = await listErased(db, part.column);
      isIdle = listed.length === 0;
      for (const { subject } of listed) keys.drop(subject);
      for (const { subject: userId } of listed.filter(({ is_open: isOpen }) => isOpen)) {
        try {
          await part.erase(userId);
          await tickOff(db, part, userId);
        } catch (error) {
          onError(error);
        }
      }
    },
    onError,
  );
  return {
    ...loop,
    start: (rest) => loop.start(rest && restWithoutKeys(rest, keys, () => isIdle)),
  };
}

/** An erasure that keeps failing shows in this gauge. NaN while PostgreSQL is away. */
function measureErasures<DB>(
  db: Kysely<DB>,
  column: ErasurePart['column'],
  metrics: Registry,
): void {
  const readAge = async (): Promise<number> => {
    const { rows } = await sql<{ seconds: number }>`
      select coalesce(extract(epoch from now() - min(requested_at)), 0)::float8 as seconds
      from shared.erasures where not ${sql.ref(column)}`.execute(db);
    return rows[0]?.seconds ?? 0;
  };
  new Gauge({
    name: 'muniment_erasure_oldest_seconds',
    help: "Age of the oldest requested erasure of which the service's part is not done.",
    registers: [metrics],
    async collect() {
      this.set(await readAge().catch(() => NaN));
    },
  });
}

/** The service's part in erasures; it must state one. */
export interface Erasures<DB> {
  handle(part: ErasurePart<DB>): void;
}

interface ErasuresParts<DB> {
  db: Kysely<DB>;
  schema: string;
  subjectKeys: SubjectKeys;
  jobs: Jobs;
  log: FastifyBaseLogger;
  metrics: Registry;
}

/** Works off erasures by the part that the service states. An app without one does not start. */
export function createErasures<DB>(
  app: App,
  { db, schema, subjectKeys, jobs, log, metrics }: ErasuresParts<DB>,
): Erasures<DB> {
  let handled = false;
  app.addHook('onReady', async () => {
    if (!handled) throw new Error('the service states no part in erasures');
  });
  return {
    handle(part) {
      handled = true;
      measureErasures(db, part.column, metrics);
      async function erase(userId: string): Promise<void> {
        await part.erase(userId);
        await deleteAnswersOfUser(db, schema, userId);
      }
      jobs.add(
        createErasureLoop(db, { ...part, erase }, subjectKeys, (error) =>
          log.warn({ err: error }, 'an erasure failed; it is tried again'),
        ),
      );
    },
  };
}
