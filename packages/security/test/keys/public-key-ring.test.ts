import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Test, test } from 'tap';
import { createPublicKeyRing, type PublicKeyRing, type PublicKeyRow } from '../../src/index.ts';

const row = (kid: string, status: PublicKeyRow['status'] = 'active'): PublicKeyRow => {
  const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  return {
    kid,
    algorithm: 'EdDSA',
    status,
    public_jwk: { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' },
  };
};

const closed = (t: Test, ring: PublicKeyRing): PublicKeyRing => {
  t.teardown(() => ring.close());
  return ring;
};

test('keys are found by kid, a compromised one is not', async (t) => {
  const ring = closed(
    t,
    createPublicKeyRing({
      load: async () => [row('a'), row('old', 'retired'), row('bad', 'compromised')],
    }),
  );
  t.match(await ring.get('a'), { kid: 'a', pem: /^-----BEGIN PUBLIC KEY/ });
  t.ok(await ring.get('old'));
  t.equal(await ring.get('bad'), undefined);
  t.same(
    ring.jwks().keys.map(({ kid }) => kid),
    ['a', 'old'],
  );
  t.notOk(JSON.stringify(ring.jwks()).includes('"d"'));
});

test('only an active key may sign', async (t) => {
  const a = row('a');
  let reads = 0;
  const ring = closed(t, createPublicKeyRing({ load: async () => [a, row('old', 'retired')] }));
  ring.onRead(() => {
    reads += 1;
  });
  t.notOk(ring.maySign('a'), 'nothing is known yet');
  await ring.refresh();
  t.ok(ring.maySign('a'));
  t.notOk(ring.maySign('old'));
  for (const status of ['retired', 'compromised'] as const) {
    a.status = status;
    await ring.refresh();
    t.notOk(ring.maySign('a'), status);
  }
  t.equal(reads, 3);
});

test('a new key is found at its first token', async (t) => {
  const rows = [row('a')];
  const ring = closed(t, createPublicKeyRing({ load: async () => rows }));
  await ring.refresh();
  rows.push(row('b'));
  t.match(await ring.get('b'), { kid: 'b' });
});

test('a flood of unknown kids reads the keys once per interval', async (t) => {
  let reads = 0;
  const ring = closed(
    t,
    createPublicKeyRing({
      unknownKidIntervalMs: 50,
      load: async () => {
        reads++;
        await sleep(2);
        return [row('a')];
      },
    }),
  );
  const began = performance.now();
  for (let i = 0; i < 40; i++) {
    await Promise.all(Array.from({ length: 50 }, (_, n) => ring.get(`forged ${i} ${n}`)));
    await sleep(3);
  }
  const allowed = Math.ceil((performance.now() - began) / 50) + 1;
  t.ok(reads >= 2 && reads <= allowed, `${reads} reads for 2000 forged kids, ${allowed} allowed`);
  t.ok(await ring.get('a'));
});

test('unreadable keys are 503, not 401', async (t) => {
  let up = false;
  const ring = closed(
    t,
    createPublicKeyRing({
      unknownKidIntervalMs: 10,
      isUnavailable: (error) => error instanceof Error && error.message === 'ECONNREFUSED',
      load: () => (up ? Promise.resolve([row('a')]) : Promise.reject(new Error('ECONNREFUSED'))),
    }),
  );
  await t.rejects(ring.get('a'), { code: 'DEPENDENCY_UNAVAILABLE', statusCode: 503 });
  up = true;
  await sleep(12);
  t.ok(await ring.get('a'));
  up = false;
  await sleep(12);
  await t.rejects(ring.get('unknown'), { code: 'DEPENDENCY_UNAVAILABLE' });
  t.ok(await ring.get('a'));
});

test('an error of the keys that is no outage is passed on', async (t) => {
  const fault = Object.assign(new Error('permission denied for view public_keys'), {
    code: '42501',
  });
  const ring = closed(
    t,
    createPublicKeyRing({ isUnavailable: () => false, load: () => Promise.reject(fault) }),
  );
  t.equal(await ring.get('a').catch((error: unknown) => error), fault);
  t.equal(await ring.get('a').catch((error: unknown) => error), fault, 'within the interval, too');
});

test('a refresh removes compromised keys only', async (t) => {
  const a = row('a');
  const b = row('b');
  const ring = closed(t, createPublicKeyRing({ refreshMs: 20, load: async () => [a, b] }));
  const keyA = await ring.get('a');
  const keyB = await ring.get('b');
  if (!keyA || !keyB) throw new Error('keys are missing');
  b.status = 'compromised';
  await sleep(50);
  t.ok(ring.has(keyA));
  t.notOk(ring.has(keyB));
});

test('a failed background refresh leaves the keys', async (t) => {
  let up = true;
  const errors: unknown[] = [];
  const ring = closed(
    t,
    createPublicKeyRing({
      refreshMs: 15,
      onError: (error) => errors.push(error),
      load: () => (up ? Promise.resolve([row('a')]) : Promise.reject(new Error('down'))),
    }),
  );
  await ring.get('a');
  up = false;
  await sleep(50);
  t.ok(errors.length >= 1);
  t.ok(await ring.get('a'));
});
