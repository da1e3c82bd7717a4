import { sql, type Kysely, type Transaction } from 'kysely';
import type { FastifyBaseLogger } from 'fastify';
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
  /** In the transaction that ticks the part off, and so once, whichever replica does it. */
  ticked?(trx: Transaction<DB>, userId: string): Promise<void>;
}

const PAUSE_MS = 500;
/** Caches live a minute at most: after that, what is erased has nothing left to drop. */
const DROP_WINDOW = "interval '2 minutes'";

/** Ticks the part off; of replicas that did the work at once, one comes first. */
async function tickOff<DB>(db: Kysely<DB>, part: ErasurePart<DB>, userId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const column = sql.ref(part.column);
    const { numAffectedRows } =
      await sql`update shared.erasures set ${column} = true where user_id = ${userId} and not ${column}`.execute(
        trx,
      );
    if (numAffectedRows === 1n) await part.ticked?.(trx, userId);
  });
}

/**
 * Works off the deletions that were ordered, and tells this replica's caches of each, again in every round of the window: a request that was under
 * way may have filled a cache after the first. A deletion that fails waits for the next round and holds up no other.
 */
export function createErasureLoop<DB>(
  db: Kysely<DB>,
  part: ErasurePart<DB>,
  forget: (userId: string) => void,
  onError: (error: unknown) => void,
): BackgroundLoop {
  return repeat(
    'erasures',
    PAUSE_MS,
    async () => {
      const { rows } = await sql<{ user_id: string; done: boolean }>`
      select user_id, ${sql.ref(part.column)} as done from shared.erasures
      where not ${sql.ref(part.column)} or not audit_done or requested_at > now() - ${sql.raw(DROP_WINDOW)}`.execute(
        db,
      );
      // The order may be old and the key destroyed only now, the audit service having been away.
      const erased = await sql<{
        subject: string;
      }>`select subject from keys.list_erased(${sql.raw(DROP_WINDOW)})`.execute(db);
      for (const subject of new Set([
        ...rows.map((row) => row.user_id),
        ...erased.rows.map((row) => row.subject),
      ]))
        forget(subject);
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
}

/** Works off erasures by the part that the service states. An app without one does not start. */
export function createErasures<DB>(
  app: App,
  { db, schema, subjectKeys, jobs, log }: ErasuresParts<DB>,
): Erasures<DB> {
  let handled = false;
  app.addHook('onReady', async () => {
    if (!handled) throw new Error('the service states no part in erasures');
  });
  return {
    handle(part) {
      handled = true;
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
