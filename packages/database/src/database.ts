import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { NamedStatementsClient } from './named-statements.ts';

const INT8_OID = 20;
const utf8Types = {
  // Every int8 here is a count, a sequence number or a size: all far below 2^53, so they arrive as numbers, not as strings.
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
  /** Called for a connection that died while idle; pg ends the process when nobody listens. */
  onIdleError?: (error: Error) => void;
}

export interface Database<DB> {
  db: Kysely<DB>;
  pool: pg.Pool;
}

/**
 * Opens a pool and a typed Kysely over it. Nothing connects until the first query; when PostgreSQL does not answer, a query
 * rejects within two seconds, and `isDatabaseUnavailable` recognises that rejection. Close both with `db.destroy()`.
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
    // A half-open connection never answers: the server's own time-out cannot reach us then, so the client has one, a little later.
    query_timeout: statementTimeout + 500,
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    // A statement goes out without waiting for the answer of the one before: what is not awaited (an event, then COMMIT) costs no round trip.
    pipeline: true,
    types: utf8Types,
  });
  pool.on('error', (error) => options.onIdleError?.(error));
  // The pool listens to idle clients alone. One that loses its connection while in use rejects its query, and emits «error» besides: with
  // nobody listening that ends the process, and a restart of PostgreSQL would end every replica at once.
  pool.on('connect', (client) => client.on('error', () => {}));
  return { db: new Kysely<DB>({ dialect: new PostgresDialect({ pool }) }), pool };
}

/**
 * SQLSTATE classes and codes that mean «PostgreSQL cannot serve this now, and may in a moment»: connection exceptions, shutdown, start-up, too many
 * clients; a statement or lock that took too long, a transaction that stood idle; a deadlock or a conflict; disk or memory that is full; and a
 * database that is read-only, as after a failover whose address still names the old primary.
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
const UNAVAILABLE_MESSAGE =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after)/;

/** True when the error says that the database cannot serve now, rather than that a statement was wrong. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable);
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return (
    UNAVAILABLE_SQLSTATE.test(code) ||
    UNAVAILABLE_ERRNO.has(code) ||
    UNAVAILABLE_MESSAGE.test(error.message)
  );
}

/** True when PostgreSQL ended a transaction for the sake of another one (deadlock, serialization): nothing of it was committed, and it may be run again. */
export function isTransactionConflict(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40P01' || error.code === '40001');
}

/** The name of the unique constraint that an INSERT or UPDATE ran into (SQLSTATE 23505), else undefined. */
export function violatedUniqueConstraint(error: unknown): string | undefined {
  if (!(error instanceof pg.DatabaseError) || error.code !== '23505') return undefined;
  return error.constraint;
}
