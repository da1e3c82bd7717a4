import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { loadLogKeys, rotateKeys, signNote } from '@muniment/audit-key';
import { openNote, parseVerifierKey } from '@muniment/audit-verify';
import { ensureAuditKey } from '../../../src/fleet/plan/audit-key.ts';
import { folder } from '../fake-fleet.ts';

test('the key is created once, for its owner only, with its public line beside it', async (t) => {
  const data = folder(t);
  const file = ensureAuditKey(data);
  const made = readFileSync(file, 'utf8');
  t.equal(file, path.join(data, 'audit-key'));
  t.equal(ensureAuditKey(data), file);
  t.equal(readFileSync(file, 'utf8'), made);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const published = readFileSync(`${file}.pub`, 'utf8');
  t.match(published, /^muniment\.local\/audit\+[0-9a-f]{8}\+[^\n]+\n$/);
  const { signers } = await loadLogKeys(file, 'muniment.local/audit');
  t.equal(
    openNote(await signNote('text\n', signers), [parseVerifierKey(published.trimEnd())]).signatures
      .length,
    1,
  );
});

test('after a rotation the public file has the new key first', (t) => {
  const data = folder(t);
  const file = ensureAuditKey(data, 'example.com/log');
  const before = readFileSync(`${file}.pub`, 'utf8');
  writeFileSync(file, rotateKeys(readFileSync(file, 'utf8'), { overlap: true }));
  ensureAuditKey(data, 'example.com/log');
  const lines = readFileSync(`${file}.pub`, 'utf8').split('\n');
  t.equal(lines.length, 3);
  t.equal(`${lines[1]}\n`, before);
  t.end();
});

test('a lost signing key is an error, and no new key is created', (t) => {
  const data = folder(t);
  rmSync(ensureAuditKey(data));
  t.throws(() => ensureAuditKey(data), { name: 'FleetError', message: /audit-key is missing/ });
  t.end();
});
