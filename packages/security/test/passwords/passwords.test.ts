import * as argon2 from 'argon2';
import { test } from 'tap';
import { createPasswordHasher, normalizePassword } from '../../src/index.ts';

const right = 'correct horse battery';
const ada = { role: 'customer', email: 'ada@example.com' } as const;

test('a password verifies against its own hash only', async (t) => {
  const hasher = createPasswordHasher();
  const hash = await hasher.hash(right, ada);
  t.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  t.same(await hasher.verify(hash, right), { ok: true, needsRehash: false });
  t.same(await hasher.verify(hash, `${right}!`), { ok: false, needsRehash: false });
  t.not(await hasher.hash(right, ada), hash, 'each hash has a salt of its own');
});

test('Unicode forms of a password are the same password', async (t) => {
  const hasher = createPasswordHasher();
  const hash = await hasher.hash('Ünterweg-Ａｂｃ', ada);
  t.ok((await hasher.verify(hash, 'U\u0308nterweg-Abc')).ok);
});

test('length is counted in code points after NFKC, 8 to 128', (t) => {
  const lengthOf = (password: string) => {
    try {
      return normalizePassword(password).length;
    } catch (e) {
      return (e as { code: string }).code;
    }
  };
  t.equal(lengthOf('1234567'), 'PASSWORD_LENGTH');
  t.equal(lengthOf('12345678'), 8);
  t.equal(lengthOf('a'.repeat(128)), 128);
  t.equal(lengthOf('a'.repeat(129)), 'PASSWORD_LENGTH');
  t.equal(lengthOf('😀'.repeat(128)), 256, '128 emoji are 256 UTF-16 units');
  t.equal(lengthOf('😀'.repeat(7)), 'PASSWORD_LENGTH', '14 units are still 7 characters');
  t.equal(lengthOf('u\u0308'.repeat(128)), 128, '256 code points that compose to 128');
  t.equal(
    lengthOf('\ufdfa'.repeat(8)),
    'PASSWORD_LENGTH',
    'one ligature is 18 characters after NFKC',
  );
  t.equal(lengthOf('x'.repeat(1_000_000)), 'PASSWORD_LENGTH');
  t.equal(lengthOf('12345678\ud800'), 'PASSWORD_MALFORMED');
  t.end();
});

test('refusals of a length carry 422', async (t) => {
  const hasher = createPasswordHasher();
  await t.rejects(hasher.hash('short', ada), { code: 'PASSWORD_LENGTH', statusCode: 422 });
});

test('a password that could not have been set is wrong, not an error', async (t) => {
  const hasher = createPasswordHasher();
  const hash = await hasher.hash(right, ada);
  for (const password of ['', 'short', 'x'.repeat(100_000), '12345678\ud800']) {
    t.same(await hasher.verify(hash, password), { ok: false, needsRehash: false });
  }
});

test('a hash of lower cost asks for a rehash, one of higher cost does not', async (t) => {
  const raised = createPasswordHasher({ passes: 3 });
  const usual = createPasswordHasher();
  t.same(await raised.verify(await usual.hash(right, ada), right), { ok: true, needsRehash: true });
  t.same(await usual.verify(await raised.hash(right, ada), right), {
    ok: true,
    needsRehash: false,
  });
  t.same(await raised.verify(await usual.hash(right, ada), 'another one'), {
    ok: false,
    needsRehash: false,
  });
  const old = await argon2.hash(right, {
    type: argon2.argon2i,
    memoryCost: 19_456,
    timeCost: 2,
    parallelism: 1,
  });
  t.same(await usual.verify(old, right), { ok: true, needsRehash: true });
});

test('parameters below the floor are refused at start', (t) => {
  t.throws(() => createPasswordHasher({ memoryKiB: 19_455 }), RangeError);
  t.throws(() => createPasswordHasher({ passes: 1 }), RangeError);
  t.end();
});

test('an absent account costs what a present one costs', async (t) => {
  const hasher = createPasswordHasher({ concurrency: 1 });
  const hash = await hasher.hash(right, ada);
  const cpu = async (work: () => Promise<unknown>) => {
    const before = process.cpuUsage();
    for (let i = 0; i < 12; i++) await work();
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  await hasher.verifyDummy('warm up the pool');
  // CPU time, because other work of the machine delays wall time.
  const present = await cpu(() => hasher.verify(hash, 'a wrong password'));
  const absent = await cpu(() => hasher.verifyDummy('a wrong password'));
  const unsettable = await cpu(() => hasher.verify(hash, 'short'));
  t.ok(
    Math.abs(absent / present - 1) < 0.35,
    `absent costs ${(absent / present).toFixed(2)} of present`,
  );
  t.ok(
    Math.abs(unsettable / present - 1) < 0.35,
    `unsettable costs ${(unsettable / present).toFixed(2)} of present`,
  );
});

test('beyond the queue hashing is refused at once', async (t) => {
  const hasher = createPasswordHasher({ concurrency: 1, queueLimit: 2 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, () => hasher.hash(right, ada)),
  );
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3);
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  t.equal(refused.length, 5);
  for (const { reason } of refused) t.match(reason, { code: 'OVERLOADED', statusCode: 503 });
  t.same(hasher.load(), { running: 0, waiting: 0 });
  await t.resolves(hasher.hash(right, ada), 'and the next one is taken again');
});

test('the dummy stands in the same queue', async (t) => {
  const hasher = createPasswordHasher({ concurrency: 1, queueLimit: 0 });
  const first = hasher.verifyDummy(right);
  await t.rejects(hasher.verifyDummy(right), { code: 'OVERLOADED' });
  t.equal(await first, false);
});

test('a wrong password costs the same for an old hash as for no account', async (t) => {
  const old = createPasswordHasher({ concurrency: 1 });
  const hash = await old.hash('correct horse battery', ada);
  const raised = createPasswordHasher({ passes: 6, concurrency: 1 });
  t.teardown(() => Promise.all([old.close(), raised.close()]));
  // By the process's clock, since other processes take their share of the machine's.
  const milliseconds = async (work: () => Promise<unknown>): Promise<number> => {
    const start = process.cpuUsage();
    await work();
    return process.cpuUsage(start).user / 1_000;
  };
  t.equal((await raised.verify(hash, 'correct horse battery')).needsRehash, true);
  // In turns, and the fastest of each: other work can only add time.
  let [known, unknown] = [Infinity, Infinity];
  for (let n = 0; n < 15; n += 1) {
    known = Math.min(known, await milliseconds(() => raised.verify(hash, 'not the password')));
    unknown = Math.min(unknown, await milliseconds(() => raised.verifyDummy('not the password')));
  }
  t.ok(
    known / unknown > 0.7 && known / unknown < 1.4,
    `${known.toFixed(1)} ms for an account, ${unknown.toFixed(1)} ms for none`,
  );
});

test('hashes leave one thread of the pool free, however many are wanted', async (t) => {
  const hasher = createPasswordHasher({ concurrency: 64 });
  const hashes = Array.from({ length: 6 }, () => hasher.verifyDummy('a password'));
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4;
  t.strictSame(hasher.load(), { running: threads - 1, waiting: 7 - threads });
  await Promise.all(hashes);
});
