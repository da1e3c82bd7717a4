import type { Test } from 'tap';
import { type Rows, until } from '@muniment/testing';
import { isAcknowledged, type Ledger } from './load.ts';
import { trailGaps } from './stores.ts';

/**
 * Logs each change by triggers, independently of the services: a doubled change shows twice.
 * Call it before the first account is created.
 */
export async function recordEffects(rows: Rows): Promise<void> {
  await rows(`
    create schema effects;
    create table effects.log (action text not null, resource uuid not null, key text not null);
    create function effects.of_user() returns trigger language plpgsql
      security definer set search_path = pg_catalog, pg_temp as $$
    begin
      if tg_op = 'INSERT' then insert into effects.log values ('SIGNUP_SUCCESS', new.id, new.email);
      else insert into effects.log values ('USER_UPDATED', new.id, new.name);
      end if;
      return null;
    end $$;
    -- A day's first request moves last_active_on, which is no change of anybody's.
    create trigger effects after insert or update of name on identity.users
      for each row execute function effects.of_user();
    create function effects.of_file() returns trigger language plpgsql
      security definer set search_path = pg_catalog, pg_temp as $$
    begin
      if new.status = 'ready' and (tg_op = 'INSERT' or old.status = 'pending') then
        insert into effects.log values ('FILE_UPLOAD', new.id, new.name);
      elsif tg_op = 'UPDATE' and new.status = 'deleted' and old.status = 'ready' then
        insert into effects.log values ('FILE_DELETE', new.id, new.id::text);
      end if;
      return null;
    end $$;
    create trigger effects after insert or update on files.files
      for each row execute function effects.of_file()`);
}

/**
 * Delays every commit of an event by `ms`. It widens the microseconds between a change
 * and its answer, in which a second attempt does harm.
 */
export async function slowCommits(rows: Rows, ms: number): Promise<void> {
  await rows(`
    create function effects.wait() returns trigger language plpgsql as $$
      begin
        -- Once for a commit, which may be that of several events.
        if current_setting('effects.waited', true) is distinct from 'yes' then
          perform set_config('effects.waited', 'yes', true), pg_sleep(${ms / 1_000});
        end if;
        return null;
      end $$;
    create constraint trigger wait after insert on identity.outbox
      deferrable initially deferred for each row execute function effects.wait();
    create constraint trigger wait after insert on files.outbox
      deferrable initially deferred for each row execute function effects.wait()`);
}

const ACTIONS = {
  register: 'SIGNUP_SUCCESS',
  rename: 'USER_UPDATED',
  upload: 'FILE_UPLOAD',
  delete: 'FILE_DELETE',
} as const;

/** Asserts that acknowledged changes took effect, none twice, and each is in the trail once. */
export async function effectsAreRecorded(t: Test, rows: Rows, ledger: Ledger): Promise<void> {
  await until(async () => (await trailGaps(rows)).length === 0, {
    what: 'the trail is complete',
  }).catch(async (error: unknown) => {
    throw new Error((await trailGaps(rows)).join('\n'), { cause: error });
  });
  t.pass('no event is under way and no number is missing');

  const acknowledged = ledger.writes.filter(isAcknowledged);
  const lost = await rows(
    `
    select action, key from unnest($1::text[], $2::text[]) as told (action, key)
    where not exists (select from effects.log l where l.action = told.action and l.key = told.key)`,
    [acknowledged.map(({ kind }) => ACTIONS[kind]), acknowledged.map(({ key }) => key)],
  );
  t.strictSame(lost, [], `each of ${acknowledged.length} acknowledged changes took effect`);
  t.strictSame(
    await rows(
      'select action, key, count(*)::int from effects.log group by action, key having count(*) > 1',
    ),
    [],
    'none took effect twice',
  );
  const unequal = await rows(
    `
    select * from (select action, resource::text, count(*)::int as effects
                   from effects.log group by action, resource) e
    full join (select action, resource, count(*)::int as events from audit.events
               where action = any($1) and outcome = 'success' group by action, resource) a
    using (action, resource) where effects is distinct from events limit 10`,
    [Object.values(ACTIONS)],
  );
  t.strictSame(unequal, [], 'the trail holds exactly as many events as there were changes');
  t.strictSame(await rows('select reason from audit.quarantine'), [], 'no record was unreadable');
}
