import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'tap';
import { createRevocations, REVOCATION_KINDS, toRevocation } from '../../src/index.ts';

/** Two clocks that a test moves. */
const clocks = () => {
  const time = { monotonic: 50_000, wall: 1_800_000_000_000 };
  return {
    time,
    now: () => ({ ...time }),
    pass: (ms: number) => {
      time.monotonic += ms;
      time.wall += ms;
    },
  };
};
const SECOND = 1_800_000_000;

test('each kind is asked for by its own name', (t) => {
  const { now } = clocks();
  const revocations = createRevocations({ now });
  for (const kind of REVOCATION_KINDS) revocations.add({ kind, id: kind, expiresAt: SECOND + 60 });
  t.strictSame(
    REVOCATION_KINDS.map((id) => [
      revocations.isSessionRevoked(id),
      revocations.userChangedAt(id) !== undefined,
      revocations.isKeyRevoked(id),
      revocations.isApiTokenRevoked(id),
    ]),
    [
      [true, false, false, false],
      [false, true, false, false],
      [false, false, true, false],
      [false, false, false, true],
    ],
  );
  t.equal(revocations.size(), 4);
  t.equal(revocations.size('user'), 1);
  t.end();
});

test('an entry is deleted after its latest expiry', (t) => {
  const { now, pass } = clocks();
  const revocations = createRevocations({ now });
  t.equal(revocations.add({ kind: 'session', id: 'a', expiresAt: SECOND + 60 }), true);
  t.equal(revocations.add({ kind: 'session', id: 'a', expiresAt: SECOND + 10 }), false, 'no news');
  revocations.add({ kind: 'user', id: 'u', expiresAt: SECOND + 10 });
  const sweepAll = () => {
    revocations.sweep(now().wall / 1_000);
    revocations.sweep(now().wall / 1_000);
  };
  pass(10_001);
  t.not(revocations.userChangedAt('u'), undefined);
  sweepAll();
  t.equal(revocations.userChangedAt('u'), undefined);
  t.ok(revocations.isSessionRevoked('a'));
  pass(50_000);
  sweepAll();
  t.notOk(revocations.isSessionRevoked('a'));
  t.equal(revocations.size(), 0);
  t.end();
});

test('sweeps of two thousand entries reach all entries', (t) => {
  const { now, pass } = clocks();
  const revocations = createRevocations({ now });
  for (let i = 0; i < 10_000; i++)
    revocations.add({ kind: 'session', id: `${i}`, expiresAt: SECOND + (i % 2 ? 10 : 100) });
  pass(11_000);
  revocations.sweep(now().wall / 1_000);
  revocations.sweep(now().wall / 1_000);
  t.ok(revocations.size() >= 8_000, 'not all in one go');
  for (let i = 0; i < 12; i++) revocations.sweep(now().wall / 1_000);
  t.equal(revocations.size(), 5_000);
  t.end();
});

test('a user entry holds the time of the last change', (t) => {
  const { now, pass, time } = clocks();
  const revocations = createRevocations({ now });
  revocations.add({ kind: 'user', id: 'u', expiresAt: SECOND + 60 });
  pass(100);
  revocations.add({ kind: 'user', id: 'u', expiresAt: SECOND + 60 });
  t.equal(revocations.userChangedAt('u'), time.monotonic);
  t.end();
});

test('the set is fresh for 750 ms by the clock that says more', (t) => {
  const { now, pass, time } = clocks();
  const revocations = createRevocations({ now });
  t.notOk(revocations.isFresh(), 'nothing is proved yet');
  revocations.confirmComplete(now());
  pass(750);
  t.ok(revocations.isFresh());
  pass(1);
  t.notOk(revocations.isFresh());
  const sent = now();
  pass(700);
  revocations.confirmComplete(sent);
  t.equal(revocations.ageMs(), 700, 'from when it was asked, not from when it was answered');
  time.wall += 51;
  t.notOk(revocations.isFresh(), 'the machine slept');
  revocations.confirmComplete(now());
  time.wall -= 3_600_000;
  time.monotonic += 751;
  t.notOk(revocations.isFresh(), 'the clock was set back');
  t.end();
});

test('an emptied set is stale until it is confirmed again', (t) => {
  const { now } = clocks();
  const revocations = createRevocations({ now });
  revocations.confirmComplete(now());
  t.ok(revocations.isFresh());
  revocations.clear();
  t.notOk(revocations.isFresh());
  t.end();
});

test('with too many entries the set is stale', (t) => {
  const { now, pass } = clocks();
  const revocations = createRevocations({ now, maxEntries: 100 });
  for (let i = 0; i < 101; i++)
    revocations.add({ kind: 'session', id: `${i}`, expiresAt: SECOND + i });
  revocations.confirmComplete(now());
  t.notOk(revocations.isFresh());
  pass(10_000);
  revocations.sweep(now().wall / 1_000);
  revocations.sweep(now().wall / 1_000);
  revocations.confirmComplete(now());
  t.ok(revocations.isFresh());
  t.end();
});

test('who listens hears of each, until they listen no more', (t) => {
  const revocations = createRevocations();
  const heard: string[] = [];
  const end = revocations.onAdd(({ kind, id }) => heard.push(`${kind} ${id}`));
  revocations.add({ kind: 'key', id: 'k', expiresAt: SECOND });
  end();
  revocations.add({ kind: 'key', id: 'l', expiresAt: SECOND });
  t.strictSame(heard, ['key k']);
  t.end();
});

test('what is no revocation is none', (t) => {
  t.strictSame(toRevocation('session', 'a', '1800000000'), {
    kind: 'session',
    id: 'a',
    expiresAt: SECOND,
  });
  for (const [kind, id, until] of [
    ['tenant', 'a', '1'],
    ['', '', ''],
    ['session', null, '1'],
    ['session', 'a', 'soon'],
    ['toString', 'a', '1'],
    [null, null, null],
  ]) {
    t.equal(toRevocation(kind, id, until), undefined);
  }
  t.end();
});

test('a hundred thousand entries take less than 20 MB', (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const used = () => {
    gc();
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  const revocations = createRevocations();
  for (let i = 0; i < 100_000; i++) {
    // As they come: cut out of a notification's text.
    const [kind, id, until] = `${i % 10 ? 'session' : 'user'} ${randomUUID()} 1800000000`.split(
      ' ',
    );
    const revocation = toRevocation(kind, id, until);
    if (revocation) revocations.add(revocation);
  }
  const megabytes = (used() - before) / 1_000_000;
  t.equal(revocations.size(), 100_000);
  t.comment(`${megabytes.toFixed(1)} MB`);
  t.ok(megabytes < 20, `${megabytes.toFixed(1)} MB`);
  t.end();
});
