import { sql, type Kysely } from 'kysely';

const SERVICES = sql.raw('user_service, file_service, audit_service');

export async function up(db: Kysely<unknown>): Promise<void> {
  // Unlogged: a count costs no flush of the WAL, and after a crash of PostgreSQL all budgets are full. Whoever can crash it needs no passwords.
  // GCRA (ITU-T I.371): `tat`, the theoretical arrival time, is all there is to keep; a row whose `tat` has passed says the same as no row.
  // No index on it: each count would have to change that too, and could not be a HOT update.
  await sql`
    create unlogged table shared.limits (
      key bytea primary key check (octet_length(key) = 16),
      tat timestamptz not null,
      told_until timestamptz not null default '-infinity'
    ) with (fillfactor = 50)`.execute(db);

  // All of the limits or none: a try that one of them refuses costs nothing at the others. Rows are locked in the order of their keys, so two calls
  // cannot wait for each other; the clock is read behind the locks. A `tat` beyond the window, as after a clock that was put back, counts as its end.
  await sql`
    create function shared.take_limits(wanted bytea[], intervals bigint[], bursts integer[])
    returns table (allowed boolean, remaining integer, reset_us bigint, retry_us bigint, first_refusal boolean)
    language plpgsql security definer set search_path = pg_catalog as $$
    declare
      n integer := cardinality(wanted);
      i integer;
      at timestamptz;
      every interval[];
      tats timestamptz[] := array_fill(null::timestamptz, array[n]);
      told timestamptz[] := array_fill(null::timestamptz, array[n]);
      found_tat timestamptz;
      found_told timestamptz;
      passes boolean := true;
    begin
      for i in select u.place from unnest(wanted) with ordinality as u (key, place) order by u.key loop
        insert into shared.limits as l (key, tat) values (wanted[i], '-infinity')
          on conflict (key) do update set tat = l.tat returning l.tat, l.told_until into found_tat, found_told;
        tats[i] := found_tat;
        told[i] := found_told;
      end loop;
      at := clock_timestamp();
      for i in 1..n loop
        every[i] := intervals[i] * interval '1 microsecond';
        tats[i] := least(greatest(tats[i], at), at + bursts[i] * every[i]);
        passes := passes and tats[i] + every[i] <= at + bursts[i] * every[i];
      end loop;
      for i in 1..n loop
        allowed := tats[i] + every[i] <= at + bursts[i] * every[i];
        first_refusal := not allowed and told[i] <= at;
        retry_us := case when allowed then 0 else ceil(extract(epoch from tats[i] + every[i] - bursts[i] * every[i] - at) * 1000000) end;
        if passes then
          tats[i] := tats[i] + every[i];
          update shared.limits l set tat = tats[i] where l.key = wanted[i];
        elsif first_refusal then
          update shared.limits l set told_until = at + bursts[i] * every[i] where l.key = wanted[i];
        end if;
        reset_us := extract(epoch from tats[i] - at) * 1000000;
        remaining := bursts[i] - ceil(reset_us::numeric / intervals[i]);
        return next;
      end loop;
    end $$`.execute(db);

  await sql`
    create function shared.refund_limits(wanted bytea[], intervals bigint[]) returns void
    language plpgsql security definer set search_path = pg_catalog as $$
    declare i integer;
    begin
      for i in select u.place from unnest(wanted) with ordinality as u (key, place) order by u.key loop
        update shared.limits l set tat = l.tat - intervals[i] * interval '1 microsecond' where l.key = wanted[i] and l.tat > clock_timestamp();
      end loop;
    end $$`.execute(db);

  // As much of what is wanted as there is.
  await sql`
    create function shared.lease_limit(wanted bytea, every_us bigint, burst integer, most integer)
    returns table (granted integer, remaining integer, reset_us bigint, retry_us bigint)
    language plpgsql security definer set search_path = pg_catalog as $$
    declare
      at timestamptz;
      every interval := every_us * interval '1 microsecond';
      current timestamptz;
    begin
      insert into shared.limits as l (key, tat) values (wanted, '-infinity')
        on conflict (key) do update set tat = l.tat returning l.tat into current;
      at := clock_timestamp();
      current := least(greatest(current, at), at + burst * every);
      granted := least(most, floor(extract(epoch from at + burst * every - current) * 1000000 / every_us));
      current := current + granted * every;
      update shared.limits l set tat = current where l.key = wanted;
      reset_us := extract(epoch from current - at) * 1000000;
      remaining := burst - ceil(reset_us::numeric / every_us);
      retry_us := case when granted > 0 then 0 else ceil(extract(epoch from current + every - burst * every - at) * 1000000) end;
      return next;
    end $$`.execute(db);

  await sql`
    create function shared.sweep_limits(most integer) returns integer
    language plpgsql security definer set search_path = pg_catalog as $$
    declare swept integer;
    begin
      delete from shared.limits where key in (
        select l.key from shared.limits l where greatest(l.tat, l.told_until) < clock_timestamp() limit most for update skip locked);
      get diagnostics swept = row_count;
      return swept;
    end $$`.execute(db);

  // Keys are HMACs under this secret, the same for all services: neither an address nor an e-mail can be told from a row.
  await sql`create table shared.limit_secret (id boolean primary key default true check (id), wrapped bytea not null)`.execute(
    db,
  );
  await sql`grant select, insert on shared.limit_secret to ${SERVICES}`.execute(db);

  for (const signature of [
    'take_limits(bytea[], bigint[], integer[])',
    'refund_limits(bytea[], bigint[])',
    'lease_limit(bytea, bigint, integer, integer)',
    'sweep_limits(integer)',
  ]) {
    await sql`revoke all on function shared.${sql.raw(signature)} from public`.execute(db);
    await sql`grant execute on function shared.${sql.raw(signature)} to ${SERVICES}`.execute(db);
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function shared.take_limits, shared.refund_limits, shared.lease_limit, shared.sweep_limits`.execute(
    db,
  );
  await sql`drop table shared.limits, shared.limit_secret`.execute(db);
}
