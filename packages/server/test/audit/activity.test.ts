import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { requestContext, until } from '@muniment/testing';
import { createActivity } from '../../src/audit/activity.ts';
import { build } from '../build.ts';

const USER = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b';

function start(announce: () => Promise<unknown> = async () => {}) {
  let time = 0;
  let announced = 0;
  const made = createActivity({
    now: () => time,
    announce() {
      announced += 1;
      return announce();
    },
  });
  made.channel.onListening(true);
  return { ...made, announced: () => announced, pass: (ms: number) => void (time += ms) };
}

test('the first event after a rest is announced, and the others of five seconds are not', (t) => {
  const { activity, announced, pass } = start();
  pass(60_000);
  for (let n = 0; n < 50; n += 1) {
    activity.recorded();
    pass(99);
  }
  t.equal(announced(), 1);
  pass(100);
  activity.recorded();
  t.equal(announced(), 2, 'before the loops slow down again');
  t.end();
});

test("another replica's announcement counts as one's own", (t) => {
  const { activity, announced, channel, pass } = start();
  pass(60_000);
  channel.onNotification();
  pass(4_900);
  activity.recorded();
  t.equal(announced(), 0);
  t.end();
});

test('a replica rests ten seconds behind an announcement, unless it hears none', (t) => {
  const { activity, channel, pass } = start();
  let woken = 0;
  activity.onWork(() => (woken += 1));
  t.notOk(activity.isResting(), 'it has only just started');
  pass(10_001);
  t.ok(activity.isResting());
  channel.onNotification();
  t.notOk(activity.isResting());
  t.equal(woken, 1);
  pass(60_000);
  channel.onListening(false);
  pass(60_000);
  t.notOk(activity.isResting(), 'nobody could tell it of work');
  channel.onListening(true);
  t.notOk(activity.isResting(), 'what was announced meanwhile is lost');
  t.end();
});

test('what could not be announced is announced with the next event', async (t) => {
  let fails = true;
  const { activity, announced, pass } = start(async () => {
    if (fails) throw new Error('the database is away');
  });
  pass(60_000);
  activity.recorded();
  await sleep(1);
  fails = false;
  activity.recorded();
  await sleep(1);
  activity.recorded();
  t.equal(announced(), 2);
});

test('a wait for work ends with work, with its time, and with its signal', async (t) => {
  const { activity, channel } = start();
  const stop = new AbortController();
  const ends: string[] = [];
  const wait = async (name: string, ms: number, signal = new AbortController().signal) => {
    await activity.untilWork(ms, signal);
    ends.push(name);
  };
  const waits = [wait('work', 60_000), wait('stop', 60_000, stop.signal)];
  await wait('time', 5);
  stop.abort();
  await waits[1];
  channel.onNotification();
  await waits[0];
  await wait('stopped already', 60_000, stop.signal);
  t.strictSame(ends, ['time', 'stop', 'work', 'stopped already']);
});

test('an event of one replica wakes the other', async (t) => {
  const first = await build(t);
  const second = await build(t, { beside: first });
  const woken = { first: 0, second: 0 };
  first.audit.activity.onWork(() => (woken.first += 1));
  second.audit.activity.onWork(() => (woken.second += 1));
  await sleep(5_100);
  woken.first = 0;
  for (let n = 0; n < 20; n += 1)
    await first.recordFor(requestContext(), { action: 'LOGIN_FAIL', subject: { userId: USER } });
  await until(() => woken.second > 0, { what: 'the other replica is told' });
  await sleep(50);
  t.strictSame(woken, { first: 2, second: 1 }, 'its own announcement, and that it hears it');
});
