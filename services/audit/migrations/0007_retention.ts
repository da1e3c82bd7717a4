import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  // What became of each month that was moved out of the database. The tiles and audit.sealed stay: proofs outlive the events.
  await sql`
    create table audit.archives (
      month text primary key check (month ~ '^[0-9]{4}_(0[1-9]|1[0-2])$'),
      object_key text not null,
      rows bigint not null check (rows >= 0),
      first_index bigint,
      last_index bigint,
      tree_size bigint not null,
      bytes bigint not null,
      sha256 bytea not null check (octet_length(sha256) = 32),
      archived_at timestamptz not null default clock_timestamp(),
      dropped_at timestamptz,
      drop_announced timestamptz,
      restored_at timestamptz,
      restore_announced timestamptz,
      keep_until timestamptz
    )`.execute(db);
  await sql`grant select, update (drop_announced, restore_announced) on audit.archives to audit_service`.execute(
    db,
  );
  await sql`grant usage on schema audit to audit_retention`.execute(db);
  await sql`grant select on audit.archives to audit_retention`.execute(db);

  await sql`
    create function audit.month_start(month text) returns timestamptz language sql immutable set timezone = 'UTC' as $$
      select make_timestamptz(substr(month, 1, 4)::integer, substr(month, 6, 2)::integer, 1, 0, 0, 0, 'UTC')
    $$`.execute(db);
  // Partitions of months that ended before the policy's age, the oldest first; not those that were brought back for a while.
  await sql`
    create function audit.months_to_archive(months integer) returns setof text
    language sql stable security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
      select substr(c.relname, 8) as month
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
      left join audit.archives a on a.month = substr(c.relname, 8)
      where i.inhparent = 'audit.events'::regclass and c.relname ~ '^events_[0-9]{4}_(0[1-9]|1[0-2])$'
        and months >= 1 and audit.month_start(substr(c.relname, 8)) + interval '1 month' <= now() - make_interval(months => months)
        and (a.keep_until is null or a.keep_until <= now())
      order by 1
    $$`.execute(db);
  await sql`
    create function audit.default_partition_rows() returns bigint
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
      select count(*) from (select from audit.events_default limit 100000) counted
    $$`.execute(db);

  // A partition as it is now, against what is claimed of it: how many rows, and how many of them the tree of that size holds.
  await sql`
    create function audit.require_partition(month text, rows bigint, first_index bigint, last_index bigint, tree_size bigint) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    declare total bigint; sealed bigint; lowest bigint; highest bigint;
    begin
      execute format('select count(*), count(s.index), min(s.index), max(s.index) from audit.%I e left join audit.sealed s on s.event_id = e.id', 'events_' || month)
        into total, sealed, lowest, highest;
      if total <> rows or sealed <> rows or lowest is distinct from first_index or highest is distinct from last_index or coalesce(highest, -1) >= tree_size then
        raise exception 'the archive of % is not what the partition holds: % rows, % of them sealed, indexes % to %', month, total, sealed, lowest, highest
          using errcode = 'MU001';
      end if;
    end $$`.execute(db);
  await sql`
    create function audit.require_retention_lease(holder text, epoch bigint) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      -- The lock lasts for the transaction: a successor waits for it.
      perform from audit.leases l
      where l.name = 'retention' and l.holder = require_retention_lease.holder and l.epoch = require_retention_lease.epoch and l.expires_at > clock_timestamp()
      for share;
      if not found then raise exception 'the retention lease is lost' using errcode = 'MU002'; end if;
    end $$`.execute(db);

  await sql`
    create function audit.record_archive(
      month text, object_key text, rows bigint, first_index bigint, last_index bigint, tree_size bigint, bytes bigint, sha256 bytea, holder text, epoch bigint
    ) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform audit.require_retention_lease(holder, epoch);
      perform audit.require_partition(month, rows, first_index, last_index, tree_size);
      insert into audit.archives as a (month, object_key, rows, first_index, last_index, tree_size, bytes, sha256)
      values (record_archive.month, record_archive.object_key, record_archive.rows, record_archive.first_index, record_archive.last_index,
        record_archive.tree_size, record_archive.bytes, record_archive.sha256)
      on conflict on constraint archives_pkey do update
        set object_key = excluded.object_key, rows = excluded.rows, first_index = excluded.first_index, last_index = excluded.last_index,
            tree_size = excluded.tree_size, bytes = excluded.bytes, sha256 = excluded.sha256, archived_at = excluded.archived_at;
    end $$`.execute(db);

  // The only way in which an event leaves the database. Everything is asked again here, whoever calls: the age, the archive, that the partition
  // holds what the archive does and nothing more, and that it has not been brought back for a while.
  await sql`
    create function audit.drop_archived_month(month text, months integer, holder text, epoch bigint) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '3s' as $$
    declare archive audit.archives%rowtype;
            partition text := 'events_' || month;
    begin
      perform audit.require_retention_lease(holder, epoch);
      if not exists (select from audit.months_to_archive(months) m where m = drop_archived_month.month) then
        raise exception 'the partition of % is not old enough, is kept, or is not there', month using errcode = 'MU003';
      end if;
      select * into archive from audit.archives a where a.month = drop_archived_month.month for update;
      if not found then raise exception 'there is no archive of %', month using errcode = 'MU003'; end if;
      delete from audit.search_terms t
      where t.event_id >= audit.uuid_floor(audit.month_start(month)) and t.event_id < audit.uuid_floor(audit.month_start(month) + interval '1 month');
      -- No event of that month can come in between counting and dropping; readers and other months go on.
      execute format('lock table audit.%I in share mode', partition);
      perform audit.require_partition(month, archive.rows, archive.first_index, archive.last_index, archive.tree_size);
      execute format('alter table audit.events detach partition audit.%I', partition);
      execute format('drop table audit.%I', partition);
      update audit.archives a set dropped_at = clock_timestamp(), keep_until = null where a.month = drop_archived_month.month;
    end $$`.execute(db);

  // Back again: rows are put beside the log first. They become a part of it only if each is, byte for byte, the leaf that was sealed at its index.
  await sql`
    create function audit.begin_restore(month text, holder text, epoch bigint) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
    begin
      perform audit.require_retention_lease(holder, epoch);
      perform from audit.archives a where a.month = begin_restore.month and a.dropped_at is not null;
      if not found then raise exception 'there is no archive of %', month using errcode = 'MU003'; end if;
      if to_regclass(format('audit.%I', 'events_' || month)) is not null then
        raise exception 'the partition of % is there', month using errcode = 'MU003';
      end if;
      execute format('drop table if exists audit.%I', 'restore_' || month);
      execute format('create table audit.%I (index bigint primary key, record text not null, key_id uuid, nonce text, ciphertext text)', 'restore_' || month);
      execute format('grant insert on audit.%I to audit_retention', 'restore_' || month);
    end $$`.execute(db);
  await sql`
    create function audit.finish_restore(month text, keep_days integer, holder text, epoch bigint) returns bigint
    language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '3s' as $$
    declare archive audit.archives%rowtype;
            staged text := 'restore_' || month;
            partition text := 'events_' || month;
            low uuid := audit.uuid_floor(audit.month_start(month));
            high uuid := audit.uuid_floor(audit.month_start(month) + interval '1 month');
            head audit.tree%rowtype;
            wrong bigint; unreadable bigint;
            total bigint; lowest bigint; highest bigint;
    begin
      perform audit.require_retention_lease(holder, epoch);
      select * into archive from audit.archives a where a.month = finish_restore.month and a.dropped_at is not null for update;
      if not found then raise exception 'there is no archive of %', month using errcode = 'MU003'; end if;
      execute format('lock table audit.%I in access exclusive mode', staged);
      execute format('select count(*), min(index), max(index) from audit.%I', staged) into total, lowest, highest;
      if total <> archive.rows or lowest is distinct from archive.first_index or highest is distinct from archive.last_index then
        raise exception 'the archive of % has % rows with indexes % to %, these are % with % to %', month, archive.rows, archive.first_index, archive.last_index, total, lowest, highest
          using errcode = 'MU001';
      end if;
      -- Leaves lie in the full tiles of level 0, the last ones in the edge (C2SP tlog-tiles).
      select * into head from audit.tree;
      execute format(
        'select count(*) from audit.%I r
         left join audit.tiles t on t.level = 0 and t.index = r.index / 256
         left join audit.sealed s on s.index = r.index
         where s.event_id is distinct from (r.record::json ->> ''id'')::uuid or s.event_id < $3 or s.event_id >= $4
           or sha256(''\\x00''::bytea || convert_to(r.record, ''UTF8''))
             <> coalesce(substr(t.hashes, (r.index %% 256)::integer * 32 + 1, 32), substr($1, (r.index - $2 / 256 * 256)::integer * 32 + 1, 32))',
        staged) into wrong using head.edge, head.size, low, high;
      if wrong > 0 then raise exception '% rows of the archive of % are not what was sealed', wrong, month using errcode = 'MU001'; end if;

      execute format('create table audit.%I (like audit.events including all)', partition);
      execute format('alter table audit.%I add constraint restored check (id >= %L and id < %L)', partition, low, high);
      -- Without its key a ciphertext is of no use to anybody, and whoever was erased is not to come back by a restore.
      execute format(
        'insert into audit.%I (id, source, lane, seq, tenant_id, action, outcome, user_id, subject, resource, resource_type, session_id, request_id, error,
           timestamp, record, personal_key_id, personal_nonce, personal_ciphertext)
         select (e ->> ''id'')::uuid, e ->> ''source'', (e ->> ''lane'')::smallint, (e ->> ''seq'')::bigint, e ->> ''tenant_id'', e ->> ''action'', e ->> ''outcome'',
           (e ->> ''user_id'')::uuid, e -> ''personal'' ->> ''subject'', e ->> ''resource'', e ->> ''resource_type'', (e ->> ''session_id'')::uuid,
           e ->> ''request_id'', e ->> ''error'', (e ->> ''timestamp'')::timestamptz, r.record,
           case when k.key_id is not null then r.key_id end, case when k.key_id is not null then r.nonce end, case when k.key_id is not null then r.ciphertext end
         from (select record::json as e, * from audit.%I) r
         left join keys.subject_keys k on k.key_id = r.key_id and not exists (select from keys.erased_subjects d where d.subject = r.e -> ''personal'' ->> ''subject'')',
        partition, staged);
      execute format('select count(*) from audit.%I p join audit.%I r on r.record = p.record where r.key_id is not null and p.personal_key_id is null', partition, staged) into unreadable;
      if exists (select from audit.events_default d where d.id >= low and d.id < high) then
        raise exception 'the default partition holds rows of %', month using errcode = 'MU003';
      end if;
      execute format('alter table audit.events attach partition audit.%I for values from (%L) to (%L)', partition, low, high);
      execute format('alter table audit.%I drop constraint restored', partition);
      execute format('drop table audit.%I', staged);
      update audit.archives a set restored_at = clock_timestamp(), keep_until = now() + make_interval(days => greatest(keep_days, 1)) where a.month = finish_restore.month;
      return unreadable;
    end $$`.execute(db);

  await sql`
    revoke all on function audit.month_start(text), audit.months_to_archive(integer), audit.default_partition_rows(),
      audit.require_partition(text, bigint, bigint, bigint, bigint), audit.require_retention_lease(text, bigint),
      audit.record_archive(text, text, bigint, bigint, bigint, bigint, bigint, bytea, text, bigint), audit.drop_archived_month(text, integer, text, bigint),
      audit.begin_restore(text, text, bigint), audit.finish_restore(text, integer, text, bigint) from public`.execute(
    db,
  );
  await sql`grant execute on function audit.months_to_archive(integer), audit.default_partition_rows(), audit.month_start(text) to audit_service`.execute(
    db,
  );
  await sql`
    grant execute on function
      audit.record_archive(text, text, bigint, bigint, bigint, bigint, bigint, bytea, text, bigint), audit.drop_archived_month(text, integer, text, bigint),
      audit.begin_restore(text, text, bigint), audit.finish_restore(text, integer, text, bigint) to audit_retention`.execute(
    db,
  );
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`
    drop function audit.finish_restore, audit.begin_restore, audit.drop_archived_month, audit.record_archive, audit.require_retention_lease,
      audit.require_partition, audit.default_partition_rows, audit.months_to_archive, audit.month_start`.execute(
    db,
  );
  await sql`drop table audit.archives`.execute(db);
  await sql`revoke usage on schema audit from audit_retention`.execute(db);
}
