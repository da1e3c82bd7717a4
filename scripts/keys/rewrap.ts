import type pg from 'pg';
import { wrappedBy, type MasterKey } from '@muniment/master-key';

interface WrappedColumn {
  table: string;
  /** Unique, and ordered. */
  key: string;
  column: string;
  /** SQL of the context under which the value was wrapped. */
  context: string;
}

/** Every column that holds what the master key has wrapped; a test looks for others. */
export const WRAPPED_COLUMNS: readonly WrappedColumn[] = [
  {
    table: 'audit.idempotency_secret',
    key: 'id',
    column: 'wrapped',
    context: "'idempotency:audit'",
  },
  { table: 'audit.webhooks', key: 'id', column: 'wrapped_secret', context: "'webhook:' || id" },
  {
    table: 'audit.webhooks',
    key: 'id',
    column: 'wrapped_previous_secret',
    context: "'webhook:' || id",
  },
  {
    table: 'files.idempotency_secret',
    key: 'id',
    column: 'wrapped',
    context: "'idempotency:files'",
  },
  {
    table: 'identity.idempotency_secret',
    key: 'id',
    column: 'wrapped',
    context: "'idempotency:identity'",
  },
  { table: 'identity.mail_outbox', key: 'id', column: 'wrapped_mail', context: "'mail:' || id" },
  {
    table: 'identity.recovery_requests',
    key: 'id',
    column: 'wrapped_request',
    context: "'recovery-request:' || id",
  },
  {
    table: 'identity.signing_keys',
    key: 'kid',
    column: 'wrapped_private',
    context: "'signing-key:' || kid",
  },
  { table: 'keys.search_key', key: 'id', column: 'wrapped', context: "'search-key'" },
  {
    table: 'keys.subject_keys',
    key: 'key_id',
    column: 'wrapped',
    context: "'subject:' || subject",
  },
  { table: 'shared.limit_secret', key: 'id', column: 'wrapped', context: "'limits'" },
];

interface WrappedRow {
  key: string;
  wrapped: Buffer;
  context: string;
}

const BATCH = 500;

const ROTATION_LOCK = 7305151;

/**
 * Of two rotations at once the second would write its own new key over the first's, by which values are wrapped already, and nobody could open them again.
 * The lock ends with the connection, so that one that was killed hinders none.
 * @returns false while another rotation of this database is under way
 */
export async function lockRotation(db: pg.Client): Promise<boolean> {
  const { rows } = await db.query<{ locked: boolean }>(
    'select pg_try_advisory_lock($1::bigint) as locked',
    [ROTATION_LOCK],
  );
  return rows[0]?.locked === true;
}

/** Wraps anew what of a column another key than the newest has wrapped. @returns how many rows it found so, and how many of them it wrapped anew */
async function rewrapColumn(
  db: pg.Client,
  masterKey: MasterKey,
  { table, key, column, context }: WrappedColumn,
): Promise<{ found: number; rewrapped: number }> {
  const {
    rows: [type],
  } = await db.query<{ name: string }>(
    'select format_type(atttypid, atttypmod) as name from pg_attribute where attrelid = $1::regclass and attname = $2',
    [table, key],
  );
  let found = 0;
  let rewrapped = 0;
  let after: string | null = null;
  for (;;) {
    const { rows }: pg.QueryResult<WrappedRow> = await db.query(
      `
      select ${key}::text as key, ${column} as wrapped, ${context} as context from ${table}
      where ${column} is not null and ($1::text is null or ${key} > $1::text::${type?.name}) order by ${table}.${key} limit ${BATCH}`,
      [after],
    );
    const old = rows.filter(({ wrapped }) => wrappedBy(wrapped) !== masterKey.id);
    const fresh = await Promise.all(
      old.map(async (row) =>
        masterKey.wrap(await masterKey.unwrap(row.wrapped, row.context), row.context),
      ),
    );
    // Only what is still as it was read: a second run, or the service that owns the row, may have been faster.
    const { rowCount } = await db.query(
      `
      update ${table} t set ${column} = r.fresh from unnest($1::text[], $2::bytea[], $3::bytea[]) as r(key, old, fresh)
      where t.${key} = r.key::${type?.name} and t.${column} = r.old`,
      [old.map((row) => row.key), old.map(({ wrapped }) => wrapped), fresh],
    );
    found += old.length;
    rewrapped += rowCount ?? 0;
    after = rows.at(-1)?.key ?? null;
    if (rows.length < BATCH) return { found, rewrapped };
  }
}

/**
 * Wraps by the newest master key whatever another one has wrapped. Values, and with them terms, commitments and proofs, stay what they are. May be
 * broken off and begun again, and runs beside a fleet: a pass is repeated until one finds nothing, since a replica may have wrapped by the
 * old key while the first went by. Needs the owner's role.
 * @returns how many values were wrapped anew
 */
export async function rewrapAll(
  db: pg.Client,
  masterKey: MasterKey,
  columns = WRAPPED_COLUMNS,
): Promise<number> {
  let total = 0;
  for (;;) {
    let left = 0;
    for (const column of columns) {
      const { found, rewrapped } = await rewrapColumn(db, masterKey, column);
      // Also one that changed between being read and written may be wrapped by the old key: only a pass that finds none has seen none.
      left += found;
      total += rewrapped;
    }
    if (left === 0) return total;
  }
}
