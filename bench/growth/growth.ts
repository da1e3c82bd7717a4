import { sql } from 'kysely';
import { until } from '@muniment/testing';
import type { Fleet } from '../../test/e2e/fleet.ts';
import type { Measurement } from '../report.ts';
import { openTrail, type Trail } from '../trail/open-trail.ts';
import { grow } from './grow.ts';
import { measureRows, type Figures, type Measured, type Middle } from './measure-rows.ts';

/** Starts the fleet again, with other settings over the same data. */
export type Restart = (settings: Record<string, string>) => Promise<Fleet>;

const EVENTS = Number(process.env.GROWTH_EVENTS ?? 300_000);
const FILES = EVENTS / 10;
const SMALL_FILES = 120;
const REPLICAS = 6;
const MAX_MINUTES = Number(process.env.GROWTH_MINUTES ?? 20);
const MAX_RATIO = 1.5;

async function findMiddle({ rows }: Trail, ownerId: string): Promise<Middle> {
  const [found] = await rows(sql<Middle>`
    select (
      select id from files.files where user_id = ${ownerId} and status = 'ready'
      order by id offset (select count(*) / 2 from files.files where user_id = ${ownerId}) limit 1
    ) as "fileId", e.id as "eventId", e.timestamp as "eventTime"
    from audit.sealed s join audit.events e on e.id = s.event_id
    where s.index = (select size / 2 from audit.tree)`);
  if (!found) throw new Error('There are no rows.');
  return found;
}

async function openSmallFleet(fleet: Fleet, trail: Trail): Promise<Measured> {
  const { user: owner, token } = await fleet.signUp();
  const { user: administrator } = await fleet.signUp();
  await trail.rows(sql`update identity.users set type = 'admin' where id = ${administrator.id}`);
  for (let n = 0; n < SMALL_FILES; n += 1) {
    const answer = await fleet.upload(token, `file-${n}.txt`, `file number ${n}`);
    if (answer.status !== 201) throw new Error(`An upload answered ${answer.status}.`);
  }
  await until(async () => (await fleet.trail(token)).length > SMALL_FILES, {
    what: 'the trail holds all uploads',
    timeoutMs: 60_000,
  });
  return { fleet, trail, owner, administrator };
}

function compare(
  small: Map<string, Figures>,
  grown: Map<string, Figures>,
  where: string,
): Measurement[] {
  return [...grown].map(([what, { cpuMs, perSecond }]) => {
    const before = small.get(what) ?? { cpuMs: NaN, perSecond: NaN };
    return {
      what: `${what}, ${where}`,
      value: cpuMs / before.cpuMs,
      unit: '× the CPU',
      goal: { atMost: MAX_RATIO },
      beside:
        `${before.cpuMs.toFixed(2)} → ${cpuMs.toFixed(2)} ms, ` +
        `${before.perSecond.toFixed(0)} → ${perSecond.toFixed(0)}/s`,
    };
  });
}

/** Measures rows of a small fleet, then of a grown one, then of one with six replicas of each. */
export async function measureGrowth(fleet: Fleet, restart: Restart): Promise<Measurement[]> {
  const startedAt = performance.now();
  const minutes = (): number => (performance.now() - startedAt) / 60_000;
  const log = (line: string): void => console.error(`  ${minutes().toFixed(1)} min: ${line}`);
  function checkTime(): void {
    if (minutes() > MAX_MINUTES)
      throw new Error(`The growth takes more than ${MAX_MINUTES} minutes (GROWTH_MINUTES).`);
  }
  const trail = await openTrail(fleet);
  const open = await openSmallFleet(fleet, trail);
  const middle = (): Promise<Middle> => findMiddle(trail, open.owner.id);
  const small = await measureRows(open, await middle(), log);
  const { postgres } = await fleet.describe();
  await grow({
    databaseUrl: postgres.url,
    ownerId: open.owner.id,
    files: FILES,
    events: EVENTS,
    checkTime,
    log,
  });
  const inTheMiddle = await middle();
  const grown = await measureRows(open, inTheMiddle, log);
  checkTime();
  await trail.close();
  const wide = await restart({ REPLICAS: String(REPLICAS) });
  const wideTrail = await openTrail(wide);
  const many = await measureRows({ ...open, fleet: wide, trail: wideTrail }, inTheMiddle, log);
  await wideTrail.close();
  return [
    ...compare(small, grown, `${FILES} files, ${EVENTS} events`),
    ...compare(small, many, `and ${REPLICAS} replicas of each`),
  ];
}
