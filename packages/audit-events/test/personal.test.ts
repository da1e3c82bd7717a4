import { createHash } from 'node:crypto';
import { test } from 'tap';
import { addressKey, addressSubject, openPersonal, sealPersonal } from '../src/personal.ts';
import { aKey } from './an-event.ts';

const ID = '018f0000-0000-7000-8000-000000000001';
const VALUES = { email: 'ada@example.com', ip: '192.0.2.1', user_agent: null };

test('the values open with the key and event that they were sealed under', (t) => {
  const key = aKey();
  t.same(openPersonal(ID, sealPersonal(ID, VALUES, key), key), VALUES);
  t.end();
});

test('another key, another event, a changed byte or another commitment open nothing', (t) => {
  const key = aKey();
  const block = sealPersonal(ID, VALUES, key);
  const flipped = Buffer.from(block.ciphertext, 'base64');
  flipped.writeUInt8(flipped.readUInt8(40) ^ 1, 40);
  t.throws(
    () => openPersonal(ID, block, { ...aKey(), subject: key.subject, keyId: key.keyId }),
    'key',
  );
  t.throws(() => openPersonal(ID, block, { ...key, subject: 'other' }), 'subject');
  t.throws(() => openPersonal(ID.replace(/1$/, '2'), block, key), 'event');
  t.throws(
    () => openPersonal(ID, { ...block, ciphertext: flipped.toString('base64') }, key),
    'byte',
  );
  t.throws(
    () => openPersonal(ID, { ...block, ciphertext: block.ciphertext.slice(0, 8) }, key),
    'cut',
  );
  t.throws(
    () =>
      openPersonal(
        ID,
        { ...block, commitment: createHash('sha256').update('x').digest('base64') },
        key,
      ),
    /committed/,
  );
  t.end();
});

test('two blocks of the same values have nothing in common, so a guess cannot be tested', (t) => {
  const key = aKey();
  const [first, second] = [sealPersonal(ID, VALUES, key), sealPersonal(ID, VALUES, key)];
  t.not(first.commitment, second.commitment);
  t.not(first.nonce, second.nonce);
  t.not(first.ciphertext, second.ciphertext);
  t.end();
});

test('an address gives one subject a day, another the next day, and a key of its own', (t) => {
  const today = aKey('day:2026-01-01');
  const tomorrow = aKey('day:2026-01-02');
  t.equal(addressSubject('a@example.com', today), addressSubject('a@example.com', today));
  t.not(addressSubject('a@example.com', today), addressSubject('b@example.com', today));
  t.not(addressSubject('a@example.com', today), addressSubject('a@example.com', tomorrow));
  t.match(addressSubject('a@example.com', today), /^address:[A-Za-z0-9_-]{43}$/);
  t.notOk(addressKey('address:a', today).secret.equals(addressKey('address:b', today).secret));
  t.end();
});
