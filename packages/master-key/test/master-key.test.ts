import { randomBytes } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { createMasterKey, generateMasterKey, loadMasterKey } from '../src/index.ts';

const secret = Buffer.from('the private part of a signing key');

test('a generated key, written to a file, wraps and unwraps', async (t) => {
  const file = join(t.testdir(), 'master.key');
  await writeFile(file, `${generateMasterKey()}\n`);
  const key = await loadMasterKey(file);
  const again = await loadMasterKey(file);
  t.match(key.id, /^[0-9a-f]{16}$/);
  t.equal(again.id, key.id);
  t.same(await again.unwrap(await key.wrap(secret, 'signing-key:1'), 'signing-key:1'), secret);
});

test('a secret mounted readable for all is taken', async (t) => {
  const file = join(t.testdir({ 'master.key': generateMasterKey() }), 'master.key');
  await chmod(file, 0o444);
  await t.resolves(loadMasterKey(file));
});

test('two wraps of one secret differ and do not show it', async (t) => {
  const key = createMasterKey(randomBytes(32));
  const first = await key.wrap(secret, 'c');
  const second = await key.wrap(secret, 'c');
  t.notSame(first, second);
  t.notOk(first.includes(secret.subarray(0, 8)));
});

test('an empty secret survives', async (t) => {
  const key = createMasterKey(randomBytes(32));
  t.same(await key.unwrap(await key.wrap(Buffer.alloc(0), ''), ''), Buffer.alloc(0));
});

test('another context does not unwrap', async (t) => {
  const key = createMasterKey(randomBytes(32));
  const wrapped = await key.wrap(secret, 'subject:a');
  await t.rejects(key.unwrap(wrapped, 'subject:b'), { code: 'master_key_unwrap_failed' });
});

test('a change of any one byte does not unwrap', async (t) => {
  const key = createMasterKey(randomBytes(32));
  const wrapped = await key.wrap(secret, 'c');
  const outcomes: string[] = [];
  for (let at = 0; at < wrapped.length; at++) {
    const changed = Buffer.from(wrapped);
    changed[at] = (changed[at] ?? 0) ^ 1;
    outcomes.push(
      await key.unwrap(changed, 'c').then(
        () => `byte ${at} passed`,
        (error: { code: string }) => error.code,
      ),
    );
  }
  const failed = Array.from({ length: wrapped.length }, (_, at) =>
    at >= 1 && at <= 8 ? 'master_key_mismatch' : 'master_key_unwrap_failed',
  );
  t.same(outcomes, failed);
});

test('a shortened tag does not unwrap', async (t) => {
  const key = createMasterKey(randomBytes(32));
  const wrapped = await key.wrap(secret, 'c');
  for (const cut of [1, 12, wrapped.length - 20, wrapped.length]) {
    await t.rejects(key.unwrap(wrapped.subarray(0, wrapped.length - cut), 'c'), {
      code: 'master_key_unwrap_failed',
    });
  }
});

test('another master key is told apart from tampering', async (t) => {
  const wrapped = await createMasterKey(randomBytes(32)).wrap(secret, 'c');
  await t.rejects(createMasterKey(randomBytes(32)).unwrap(wrapped, 'c'), {
    code: 'master_key_mismatch',
  });
});

test('a file of the wrong length or form is refused by name, without its content', async (t) => {
  const good = generateMasterKey();
  const contents = [
    '',
    randomBytes(16).toString('base64'),
    randomBytes(33).toString('base64'),
    `${good}\n${good}`,
    `*${good}`,
    randomBytes(32).toString('hex'),
  ];
  for (const content of contents) {
    const file = join(t.testdir({ 'bad.key': content }), 'bad.key');
    const error = await loadMasterKey(file).then(
      () => new Error('taken'),
      (e: Error) => e,
    );
    t.match(error, { code: 'master_key_malformed' });
    t.ok(error.message.includes(file));
    t.notOk(content !== '' && error.message.includes(content));
  }
});

test('an absent file is refused by name', async (t) => {
  const file = join(t.testdir(), 'absent.key');
  await t.rejects(loadMasterKey(file), {
    code: 'master_key_unreadable',
    message: `The master key file ${file} cannot be read. Check its path and mode.`,
  });
});
