import { sql, type Kysely, type Transaction } from 'kysely';
import type { FastifyBaseLogger } from 'fastify';
import { Gauge, type Registry } from 'prom-client';
import type { SubjectKeys } from '@muniment/audit-events';
import type { App } from '../http/create-app.ts';
import { deleteAnswersOfUser } from '../idempotency/answers.ts';
import { repeat, type BackgroundLoop } from '../lifecycle/background-loops.ts';
import type { Jobs } from '../lifecycle/jobs.ts';

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

/** Marks the part as done. Of several replicas that did the work, only one marks it. */
async function tickOff<DB>(db: Kysely<DB>, part: ErasurePart<DB>, userId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const column = sql.ref(part.column);
    const { numAffectedRows } = await sql`update shared.erasures set ${column} = true
        where user_id = ${userId} and not ${column}`.execute(trx);
    if (numAffectedRows === 1n) await part.ticked?.(trx, userId);
  });
}

/**
 * Carries out requested erasures, and drops each user from this replica's caches in every round of
 * the window, since a request in progress may fill a cache again. A failed erasure blocks no other.
 */
export function createErasureLoop<DB>(
  db: Kysely<DB>,
  part: ErasurePart<DB>,
  dropFromCaches: (userId: string) => void,
  onError: (error: unknown) => void,
): BackgroundLoop {
  const loop = repeat(
    'erasures',
    PAUSE_MS,
    async () => {
      const { rows } = await sql<{ user_id: string; done: boolean }>`
      select user_id, ${sql.ref(part.column)} as done from shared.erasures
      where not ${sql.ref(part.column)} or not audit_done
        or requested_at > now() - ${sql.raw(DROP_WINDOW)}`.execute(db);
      // The key may be destroyed long after the request, when the audit service was away.
      const erased = await sql<{
        subject: string;
      }>`select subject from keys.list_erased(${sql.raw(DROP_WINDOW)})`.execute(db);
      for (const subject of new Set([
        ...rows.map((row) => row.user_id),
        ...erased.rows.map((row) => row.subject),
      ]))
        dropFromCaches(subject);
      for (const { user_id: userId } of rows.filter(({ done }) => !done)) {
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
  // It never rests. A key may be destroyed without an event, and is dropped within a second.
  return { ...loop, start: () => loop.start() };
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
        createErasureLoop(db, { ...part, erase }, subjectKeys.drop, (error) =>
          log.warn({ err: error }, 'an erasure failed; it is tried again'),
        ),
      );
    },
  };
}
