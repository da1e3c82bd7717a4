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

type LeaseClaim = Omit<Lease, 'epoch'> & { ttlMs: number };

/** A claim's outcome: the lease, or for how long a rival still holds it. */
export type ClaimedLease = { lease: Lease } | { lease: undefined; rivalMs: number };

/**
 * Takes the lease when it is free or has run out, or renews it for the same holder. Times are the
 * database's own, so replicas need no common clock. Beside a rival it only reads: an update that
 * changes nothing would still lock the row, and be flushed to disk.
 */
export async function claimLease<DB>(
  db: Kysely<DB>,
  { schema, name, holder, ttlMs }: LeaseClaim,
): Promise<ClaimedLease> {
  const leases = sql.table(`${schema}.leases`);
  const { rows } = await sql<{ epoch: number | null; rival_ms: number | null }>`
    with rival as (
      select extract(epoch from expires_at - clock_timestamp())::float8 * 1000 as ms from ${leases}
      where name = ${name} and holder <> ${holder} and expires_at > clock_timestamp()
    ), claimed as (
      insert into ${leases} as l (name, holder, epoch, expires_at)
      select ${name}, ${holder}, 1, clock_timestamp() + ${ttlMs} * interval '1 millisecond'
      where not exists (select from rival)
      on conflict (name) do update
        set holder = excluded.holder,
            epoch = case
              when l.holder = excluded.holder and l.expires_at > clock_timestamp() then l.epoch
              else l.epoch + 1
            end,
            expires_at = excluded.expires_at
        where l.holder = excluded.holder or l.expires_at <= clock_timestamp()
      returning epoch
    ) select (select epoch from claimed) as epoch, (select ms from rival) as rival_ms`.execute(db);
  const { epoch = null, rival_ms: rivalMs } = rows[0] ?? {};
  if (epoch !== null) return { lease: { schema, name, holder, epoch } };
  // Without a time the rival was faster by a moment.
  return { lease: undefined, rivalMs: rivalMs ?? ttlMs };
}

/** Claims the lease. @returns undefined while another replica holds it */
export async function acquireLease<DB>(
  db: Kysely<DB>,
  claim: LeaseClaim,
): Promise<Lease | undefined> {
  return (await claimLease(db, claim)).lease;
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
