import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { build } from '../build.ts';
import { timesApart } from '../timing.ts';
import { importFile, ndjson, signInAdmin } from './admin.ts';

test('the time of a refused login does not tell that a user was imported', async (t) => {
  const server = await build(t);
  const token = await signInAdmin(server);
  const hash = `$2b$09$${'a'.repeat(21)}.${'a'.repeat(30)}.`;
  const users = Array.from({ length: 10 }, (_, n) => ({
    email: `known-${n}@example.com`,
    password_hash: hash,
  }));
  t.equal((await importFile(server, token, { body: ndjson(...users) })).summary?.created, 10);
  const found = await timesApart(async (kind, n) => {
    const answer = await server.call('POST', '/api/users/login', {
      body: { email: `${kind}-${n % 10}@example.com`, password: 'not the password' },
    });
    t.equal(answer.statusCode, 401);
  });
  t.comment(`AUC ${found.toFixed(3)}`);
  t.ok(Math.abs(found - 0.5) < timeBound(0.15, 0.35), `AUC ${found.toFixed(3)}`);
});
