import type pg from 'pg';
import { wrappedBy, type MasterKey } from '@muniment/master-key';

interface WrappedColumn {
  table: string;
  /** A unique column that can be ordered. */
  key: string;
  column: string;
  /** SQL that gives the value's encryption context. */
  context: string;
}

/** Every column with values wrapped by the master key. A test looks for others. */
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
    table: 'identity.signer_keys',
    key: 'id',
    column: 'wrapped_key',
    context: "'signer-key:' || id",
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

const BATCH_SIZE = 500;

const ROTATION_LOCK = 7305151;

/**
 * Locks out a second rotation: its new key would overwrite the first's, and values wrapped by that
 * one would be lost. The lock ends with the connection.
 * @returns false while another rotation of this database is running
 */
export async function lockRotation(db: pg.Client): Promise<boolean> {
  const { rows } = await db.query<{ locked: boolean }>(
    'select pg_try_advisory_lock($1::bigint) as locked',
    [ROTATION_LOCK],
  );
  return rows[0]?.locked === true;
}

async function findKeyType(db: pg.Client, { table, key }: WrappedColumn): Promise<string> {
  const { rows } = await db.query<{ name: string }>(
    `select format_type(atttypid, atttypmod) as name from pg_attribute
    where attrelid = $1::regclass and attname = $2`,
    [table, key],
  );
  if (!rows[0]) throw new Error(`The table ${table} has no column ${key}.`);
  return rows[0].name;
}

/** Lists the next batch of wrapped values behind the key `after`. */
async function listWrapped(
  db: pg.Client,
  { table, key, column, context }: WrappedColumn,
  { after, keyType }: { after: string | null; keyType: string },
): Promise<WrappedRow[]> {
  const { rows } = await db.query<WrappedRow>(
    `select ${key}::text as key, ${column} as wrapped, ${context} as context from ${table}
    where ${column} is not null and ($1::text is null or ${key} > $1::text::${keyType})
    order by ${table}.${key} limit ${BATCH_SIZE}`,
    [after],
  );
  return rows;
}

/** Rewraps the values that an older key has wrapped. @returns how many it found and rewrapped */
async function rewrapColumn(
  db: pg.Client,
  masterKey: MasterKey,
  wrapped: WrappedColumn,
): Promise<{ found: number; rewrapped: number }> {
  const { table, key, column } = wrapped;
  const keyType = await findKeyType(db, wrapped);
  let found = 0;
  let rewrapped = 0;
  let after: string | null = null;
  for (;;) {
    const rows = await listWrapped(db, wrapped, { after, keyType });
    const old = rows.filter((row) => wrappedBy(row.wrapped) !== masterKey.id);
    const fresh = await Promise.all(
      old.map(async (row) =>
        masterKey.wrap(await masterKey.unwrap(row.wrapped, row.context), row.context),
      ),
    );
    // A second run, or the service that owns the row, may have changed it since.
    const { rowCount } = await db.query(
      `update ${table} t set ${column} = r.fresh
      from unnest($1::text[], $2::bytea[], $3::bytea[]) as r(key, old, fresh)
      where t.${key} = r.key::${keyType} and t.${column} = r.old`,
      [old.map((row) => row.key), old.map((row) => row.wrapped), fresh],
    );
    found += old.length;
    rewrapped += rowCount ?? 0;
    after = rows.at(-1)?.key ?? null;
    if (rows.length < BATCH_SIZE) return { found, rewrapped };
  }
}

/**
 * Rewraps every value by the newest master key, as the owner. The values stay the same, so terms,
 * commitments and proofs hold. It may be interrupted and repeated, and runs beside a fleet.
 * @returns how many values were rewrapped
 */
export async function rewrapAll(
  db: pg.Client,
  masterKey: MasterKey,
  columns = WRAPPED_COLUMNS,
): Promise<number> {
  let total = 0;
  // A replica may wrap by the old key during a pass. Only a pass that finds none is the last.
  for (;;) {
    let foundInPass = 0;
    for (const column of columns) {
      const { found, rewrapped } = await rewrapColumn(db, masterKey, column);
      foundInPass += found;
      total += rewrapped;
    }
    if (foundInPass === 0) return total;
  }
}
