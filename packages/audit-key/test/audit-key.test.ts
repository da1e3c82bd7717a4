import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { openNote, parseVerifierKey } from '@muniment/audit-verify';
import {
  createSigner,
  generateSigningKey,
  loadLogKeys,
  rotateKeys,
  signNote,
  verifierLines,
} from '../src/index.ts';

const NAME = 'example.com/log';

async function file(t: Test, text: string): Promise<string> {
  const path = join(t.testdir(), 'audit-key');
  await writeFile(path, text);
  return path;
}

test("the key pair of Go's own documentation signs the note of its documentation", async (t) => {
  // From golang.org/x/mod/sumdb/note, example_test.go. Ed25519 is deterministic.
  const signer = createSigner(
    'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz',
  );
  const text =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
  const note = await signNote(text, [signer]);
  t.equal(
    note,
    `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`,
  );
  t.same(
    openNote(note, [
      parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'),
    ]).text,
    text,
  );
});

test('a new key signs what its verifier key opens', async (t) => {
  const { signingKey, verifierKey } = generateSigningKey(NAME);
  t.match(verifierKey, /^example\.com\/log\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/);
  t.not(generateSigningKey(NAME).signingKey, signingKey);
  const note = await signNote('text\n', [createSigner(signingKey)]);
  t.equal(openNote(note, [parseVerifierKey(verifierKey)]).signatures.length, 1);
  await t.rejects(signNote('no newline', [createSigner(signingKey)]), { code: 'note_malformed' });
  for (const name of ['', 'a b', 'a+b'])
    t.throws(() => generateSigningKey(name), { code: 'audit_key_malformed' });
});

test('a signing key that was damaged or is none is refused without showing it', async (t) => {
  const { signingKey } = generateSigningKey(NAME);
  // What follows the key ID; base64 may have a plus of its own.
  const secret = signingKey.split('+').slice(4).join('+');
  t.equal(secret.length, 44);
  const otherId = signingKey.replace(/\+[0-9a-f]{8}\+/, '+00000000+');
  for (const line of [
    otherId,
    signingKey.slice(0, -1),
    `${signingKey}A`,
    signingKey.replace('PRIVATE+KEY', 'PRIVATE+KEYS'),
    'PRIVATE+KEY+',
    signingKey.toUpperCase(),
  ]) {
    const path = await file(t, `${line}\n`);
    await t.rejects(loadLogKeys(path, NAME), { code: 'audit_key_malformed' }, line);
    await loadLogKeys(path, NAME).catch((error: Error) =>
      t.notOk(error.message.includes(secret.slice(0, 20)), 'no key in the message'),
    );
  }
});

test('a key file has keys that sign, keys of the past, comments and empty lines', async (t) => {
  const [now, beside, past] = [1, 2, 3].map(() => generateSigningKey(NAME));
  const keys = await loadLogKeys(
    await file(t, `# ours\n${now?.signingKey}\n\n ${beside?.signingKey}\r\n${past?.verifierKey}`),
    NAME,
  );
  t.equal(keys.signers.length, 2);
  t.equal(keys.verifiers.length, 3);
  const note = await signNote('text\n', keys.signers);
  for (const one of [now, beside])
    t.equal(openNote(note, [parseVerifierKey(one?.verifierKey ?? '')]).signatures.length, 1);
  t.throws(() => openNote(note, [parseVerifierKey(past?.verifierKey ?? '')]), {
    code: 'note_unverified',
  });
});

test('no file, no signing key, or keys of another log: the service would not start', async (t) => {
  await t.rejects(loadLogKeys('/nowhere/audit-key', NAME), { code: 'audit_key_unreadable' });
  await t.rejects(loadLogKeys(await file(t, ''), NAME), { code: 'audit_key_malformed' });
  await t.rejects(loadLogKeys(await file(t, generateSigningKey(NAME).verifierKey), NAME), {
    code: 'audit_key_malformed',
  });
  await t.rejects(loadLogKeys(await file(t, generateSigningKey('other').signingKey), NAME), {
    code: 'audit_key_misnamed',
  });
});

test('a rotation creates a new key, beside which the last one may sign', async (t) => {
  const first = generateSigningKey(NAME);
  const overlapping = rotateKeys(`${first.signingKey}\n`, { overlap: true });
  const during = await loadLogKeys(await file(t, overlapping), NAME);
  t.same(
    during.signers.map(({ keyId }) => keyId),
    during.verifiers.map(({ id }) => id),
  );
  t.equal(during.signers[1]?.keyId, createSigner(first.signingKey).keyId);
  const after = rotateKeys(overlapping, { overlap: false });
  const keys = await loadLogKeys(await file(t, after), NAME);
  t.equal(keys.signers.length, 1);
  t.equal(keys.verifiers.length, 3);
  t.same(verifierLines(after).slice(1), verifierLines(overlapping));
  t.equal(verifierLines(after).at(-1), first.verifierKey);
  t.throws(() => rotateKeys('', { overlap: true }));
});
