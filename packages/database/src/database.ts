import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { isPlanOutdated, NamedStatementsClient } from './named-statements.ts';

const INT8_OID = 20;
const utf8Types = {
  // Every int8 here is far below 2^53, so it arrives as a number instead of a string.
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8_OID && format !== 'binary'
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

export interface DatabaseOptions {
  /** `postgres://role:password@host:port/database` */
  url: string;
  /** Shown in pg_stat_activity, so that a stuck session names its replica. */
  applicationName: string;
  poolMax?: number;
  /** Milliseconds after which the server cancels a statement. */
  statementTimeoutMs?: number;
  /** Milliseconds after which the server ends a wait for a lock; without, only with the statement. */
  lockTimeoutMs?: number;
  /** Called for a connection that dies while idle. Without a listener pg ends the process. */
  onIdleError?: (error: Error) => void;
}

export interface Database<DB> {
  db: Kysely<DB>;
  pool: pg.Pool;
}

/**
 * Opens a pool and a typed Kysely over it; close both with `db.destroy()`. It connects at the first
 * query, which rejects within two seconds while PostgreSQL does not answer.
 */
export function createDatabase<DB>(options: DatabaseOptions): Database<DB> {
  const statementTimeout = options.statementTimeoutMs ?? 5_000;
  const pool = new pg.Pool({
    connectionString: options.url,
    Client: NamedStatementsClient,
    application_name: options.applicationName,
    max: options.poolMax ?? 10,
    connectionTimeoutMillis: 2_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementTimeout,
    ...(options.lockTimeoutMs !== undefined && { lock_timeout: options.lockTimeoutMs }),
    // A half-open connection never answers, so the server's own time-out cannot reach us.
    query_timeout: statementTimeout + 500,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    // Statements are sent without waiting for earlier answers: an event before COMMIT costs no
    // round trip.
    pipeline: true,
    types: utf8Types,
  });
  pool.on('error', (error) => options.onIdleError?.(error));
  // The pool listens to idle clients only. A client that dies in use rejects its query and also
  // emits «error», which would end every replica when PostgreSQL restarts.
  pool.on('connect', (client) => client.on('error', () => {}));
  return { db: new Kysely<DB>({ dialect: new PostgresDialect({ pool }) }), pool };
}

/**
 * SQLSTATEs that mean «not now»: lost connections, shutdown, too many clients, time-outs,
 * conflicts, a full disk. 25006 is a read-only server, as after a failover whose address still
 * names the old primary.
 */
const UNAVAILABLE_SQLSTATE = /^(08...|57P0[1-5]|53[123]00|57014|55P03|40P01|40001|25006|25P03)$/;
const UNAVAILABLE_ERRNO = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const UNAVAILABLE_MESSAGES = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'Query read timeout',
  'Client has encountered a connection error',
  'Client was closed',
  'Cannot use a pool after',
];

/** Whether the database cannot serve now, rather than that a statement was wrong. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable);
  if (!(error instanceof Error)) return false;
  if (isPlanOutdated(error)) return true;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return (
    UNAVAILABLE_SQLSTATE.test(code) ||
    UNAVAILABLE_ERRNO.has(code) ||
    UNAVAILABLE_MESSAGES.some((start) => error.message.startsWith(start))
  );
}

/**
 * Whether PostgreSQL ended a transaction for the sake of another one, or of a migration. Nothing
 * was committed, so it may run again.
 */
export function isTransactionConflict(error: unknown): boolean {
  if (isPlanOutdated(error)) return true;
  return error instanceof pg.DatabaseError && (error.code === '40P01' || error.code === '40001');
}

/**
 * The trigger that refused a statement (SQLSTATE 23001), by the name that it gives as constraint,
 * and its detail.
 */
export function refusedByTrigger(error: unknown): { trigger: string; detail: string } | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code !== '23001') return undefined;
  const { constraint: trigger, detail = '' } = error;
  return trigger === undefined ? undefined : { trigger, detail };
}

/** The unique constraint that an INSERT or UPDATE violated (SQLSTATE 23505). */
export function violatedUniqueConstraint(error: unknown): string | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code !== '23505') return undefined;
  return error.constraint;
}
