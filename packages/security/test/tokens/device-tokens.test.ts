import { randomBytes, randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import { test } from 'tap';
import { DEVICE_TOKEN_TTL_S, issueDeviceToken, verifyDeviceToken } from '../../src/index.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SECRET = randomBytes(32);
const OWNER = { userId: randomUUID(), passwordEpoch: 7 };

test('a device token names its account, the epoch and a device of its own', (t) => {
  const [one, other] = [issueDeviceToken(SECRET, OWNER), issueDeviceToken(SECRET, OWNER)];
  const device = verifyDeviceToken(SECRET, one);
  t.match(device, OWNER);
  t.match(device?.id, /^[\w-]{22}$/);
  t.not(verifyDeviceToken(SECRET, other)?.id, device?.id);
  t.end();
});

test('no part of a device token can be changed', (t) => {
  const token = issueDeviceToken(SECRET, OWNER);
  const parts = token.split('.');
  const replaced = (index: number, by: string): string => parts.with(index, by).join('.');
  const forged = [
    replaced(0, 'mdv1'),
    replaced(1, String(Number(parts[1]) + 1)),
    replaced(2, 'A'.repeat(22)),
    replaced(3, randomUUID()),
    replaced(4, '8'),
    replaced(4, '07'),
    replaced(5, 'A'.repeat(43)),
    `${token}=`,
    `${token}.`,
    ` ${token}`,
    `${token}\n`,
    '',
  ];
  for (const text of forged) t.equal(verifyDeviceToken(SECRET, text), undefined, text);
  t.equal(verifyDeviceToken(randomBytes(32), token), undefined, 'under another secret');
  t.end();
});

test('a device token has one spelling', (t) => {
  const token = issueDeviceToken(SECRET, OWNER);
  const valid = ALPHABET.split('').filter((last) =>
    verifyDeviceToken(SECRET, token.slice(0, -1) + last),
  );
  t.strictSame(valid, [token.at(-1)]);
  t.end();
});

test('a device token expires', (t) => {
  const token = issueDeviceToken(SECRET, OWNER);
  const at = (seconds: number): unknown => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() + seconds * 1_000 });
    const device = verifyDeviceToken(SECRET, token);
    mock.timers.reset();
    return device;
  };
  t.match(at(DEVICE_TOKEN_TTL_S - 60), OWNER);
  t.equal(at(DEVICE_TOKEN_TTL_S + 1), undefined);
  t.equal(at(-3_600), undefined, 'from the future');
  t.end();
});
