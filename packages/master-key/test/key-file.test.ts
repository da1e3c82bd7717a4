import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { generateMasterKey, loadMasterKey, wrappedBy } from '../src/index.ts';

const secret = Buffer.from('a key of somebody');

/** A file that is replaced in one step, as the fleet and Kubernetes do. */
function keyFile(t: Test): { file: string; write(...keys: string[]): void } {
  const file = join(t.testdir(), 'master.key');
  return {
    file,
    write(...keys) {
      writeFileSync(`${file}.new`, `${keys.join('\n')}\n`);
      renameSync(`${file}.new`, file);
    },
  };
}

test('the first key of a file wraps, each of them unwraps', async (t) => {
  const { file, write } = keyFile(t);
  const [older, newer] = [generateMasterKey(), generateMasterKey()];
  write(older);
  const before = await loadMasterKey(file);
  const wrapped = await before.wrap(secret, 'c');
  write(newer, older);
  const both = await loadMasterKey(file);
  t.same(await both.unwrap(wrapped, 'c'), secret);
  const again = await both.wrap(secret, 'c');
  t.equal(wrappedBy(again), both.id);
  t.not(wrappedBy(again), wrappedBy(wrapped));
});

test('a running process reads a changed file', async (t) => {
  const { file, write } = keyFile(t);
  const [older, newer] = [generateMasterKey(), generateMasterKey()];
  write(older);
  const [one, other] = [await loadMasterKey(file), await loadMasterKey(file)];
  const old = await one.wrap(secret, 'c');
  write(newer, older);
  const fresh = await one.wrap(secret, 'c');
  t.not(wrappedBy(fresh), wrappedBy(old));
  t.same(await other.unwrap(fresh, 'c'), secret);
  t.same(await other.unwrap(old, 'c'), secret);
  write(newer);
  t.equal(wrappedBy(await other.wrap(secret, 'c')), wrappedBy(fresh));
  await t.rejects((await loadMasterKey(file)).unwrap(old, 'c'), { code: 'master_key_mismatch' });
});

test('an unreadable file leaves a running process its keys', async (t) => {
  const { file, write } = keyFile(t);
  write(generateMasterKey());
  const key = await loadMasterKey(file);
  const { id } = key;
  write('nonsense');
  t.equal(wrappedBy(await key.wrap(secret, 'c')), id);
  renameSync(file, `${file}.away`);
  t.equal(wrappedBy(await key.wrap(secret, 'c')), id);
  await t.rejects(loadMasterKey(file), { code: 'master_key_unreadable' });
});

test('lines may end as on Windows; a key twice is a mistake', async (t) => {
  const { file, write } = keyFile(t);
  const [one, two] = [generateMasterKey(), generateMasterKey()];
  write(`${one}\r`, `${two}\r`);
  await t.resolves(loadMasterKey(file));
  write(one, two, one);
  await t.rejects(loadMasterKey(file), { code: 'master_key_malformed' });
});
