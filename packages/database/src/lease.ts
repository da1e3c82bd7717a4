import { sql, type Kysely, type Transaction } from 'kysely';

/** A lease as its holder knows it. `epoch` grows with every change of holder: a write that names an old one is refused. */
export interface Lease {
  /** Schema of the `leases` table, one of ours and never a caller's text. */
  schema: string;
  name: string;
  holder: string;
  epoch: number;
}

/**
 * Takes the lease when it is free or has run out, or renews it when this holder has it. Times are the database's own, so replicas
 * need no common clock.
 * @returns the lease, or undefined while another holds it.
 */
export async function acquireLease<DB>(
  db: Kysely<DB>,
  schema: string,
  name: string,
  holder: string,
  ttlMs: number,
): Promise<Lease | undefined> {
  const { rows } = await sql<{ epoch: number }>`
    insert into ${sql.table(`${schema}.leases`)} as l (name, holder, epoch, expires_at)
    values (${name}, ${holder}, 1, clock_timestamp() + ${ttlMs} * interval '1 millisecond')
    on conflict (name) do update
      set holder = excluded.holder,
          epoch = case when l.holder = excluded.holder and l.expires_at > clock_timestamp() then l.epoch else l.epoch + 1 end,
          expires_at = excluded.expires_at
      where l.holder = excluded.holder or l.expires_at <= clock_timestamp()
    returning epoch`.execute(db);
  const row = rows[0];
  return row && { schema, name, holder, epoch: row.epoch };
}

/** Gives the lease up at once, so that a graceful stop costs the next holder no waiting. A lease lost meanwhile is left alone. */
export async function releaseLease<DB>(db: Kysely<DB>, lease: Lease): Promise<void> {
  await sql`
    update ${sql.table(`${lease.schema}.leases`)} set expires_at = clock_timestamp()
    where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch}`.execute(db);
}

/**
 * Locks the lease row for the rest of the transaction and tells whether the lease still stands. A rival that wants it waits for
 * this transaction, so a holder that was stopped and continued cannot write beside its successor.
 */
export async function holdLease<DB>(trx: Transaction<DB>, lease: Lease): Promise<boolean> {
  const { rows } = await sql`
    select 1 from ${sql.table(`${lease.schema}.leases`)}
    where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch} and expires_at > clock_timestamp()
    for share`.execute(trx);
  return rows.length === 1;
}
