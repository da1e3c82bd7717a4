import { test } from 'tap';
import { readOptions } from '../../peers/options.ts';

test('without settings everything is measured', (t) => {
  const { targets, operations, rounds } = readOptions({});
  t.strictSame(targets, ['directus', 'parse-server', 'bare-fastify', 'muniment']);
  t.equal(operations.length, 9);
  t.equal(rounds, 1);
  t.end();
});

test('lists choose, in the order of the table', (t) => {
  const { targets, operations } = readOptions({
    TARGETS: 'muniment,directus',
    OPS: 'login,profile',
  });
  t.strictSame(targets, ['directus', 'muniment']);
  t.strictSame(operations, ['profile', 'login']);
  t.end();
});

test('an unknown target, operation or number names its variable', (t) => {
  t.throws(() => readOptions({ TARGETS: 'nobody' }), /TARGETS names nobody\. There are directus/);
  t.throws(() => readOptions({ OPS: 'profile,logn' }), /OPS names logn/);
  t.throws(() => readOptions({ SECONDS: 'ten' }), /SECONDS is ten/);
  t.throws(() => readOptions({ ROUNDS: '0' }), /ROUNDS is 0/);
  t.end();
});
