import { randomUUID } from 'node:crypto';
import { sql, type Kysely, type Transaction } from 'kysely';

/** Another replica has the lease: a fenced write was refused, or a renewal came too late. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';

  constructor(leaseName: string) {
    super(`Another replica holds the lease of ${leaseName}. Nothing was written.`);
  }
}

/** A lease as its holder knows it. */
export interface Lease {
  /** Schema of the `leases` table: a constant of ours, never a caller's text. */
  schema: string;
  name: string;
  holder: string;
  /** Grows with every change of holder. A write that names an old epoch is refused. */
  epoch: number;
}

/**
 * An id for one process. A restarted replica must differ from the dead one, whose last batch may
 * still be in flight.
 */
export function createHolderId(replica: string): string {
  return `${replica}/${randomUUID()}`;
}

/**
 * Takes the lease when it is free or has run out, or renews it for the same holder. Times are the
 * database's own, so replicas need no common clock.
 * @returns undefined while another replica holds it.
 */
export async function acquireLease<DB>(
  db: Kysely<DB>,
  { schema, name, holder, ttlMs }: Omit<Lease, 'epoch'> & { ttlMs: number },
): Promise<Lease | undefined> {
  const { rows } = await sql<{ epoch: number }>`
    insert into ${sql.table(`${schema}.leases`)} as l (name, holder, epoch, expires_at)
    values (${name}, ${holder}, 1, clock_timestamp() + ${ttlMs} * interval '1 millisecond')
    on conflict (name) do update
      set holder = excluded.holder,
          epoch = case
            when l.holder = excluded.holder and l.expires_at > clock_timestamp() then l.epoch
            else l.epoch + 1
          end,
          expires_at = excluded.expires_at
      where l.holder = excluded.holder or l.expires_at <= clock_timestamp()
    returning epoch`.execute(db);
  const row = rows[0];
  return row && { schema, name, holder, epoch: row.epoch };
}

/** Frees the lease at once, so that a graceful stop costs the successor no waiting. */
export async function releaseLease<DB>(db: Kysely<DB>, lease: Lease): Promise<void> {
  await sql`
    update ${sql.table(`${lease.schema}.leases`)} set expires_at = clock_timestamp()
    where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch}`.execute(db);
}

/**
 * Locks the lease's row until the transaction ends. A rival waits for the lock, so a suspended
 * holder cannot write beside its successor.
 * @returns whether the lease is still valid
 */
export async function lockLease<DB>(trx: Transaction<DB>, lease: Lease): Promise<boolean> {
  const { rows } = await sql`
    select 1 from ${sql.table(`${lease.schema}.leases`)}
    where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch}
      and expires_at > clock_timestamp()
    for share`.execute(trx);
  return rows.length === 1;
}

/** Fences the rest of the transaction by the lease. @throws LeaseLost */
export async function requireLease<DB>(trx: Transaction<DB>, lease: Lease): Promise<void> {
  if (!(await lockLease(trx, lease))) throw new LeaseLost(lease.name);
}
