import { test } from 'tap';
import { parseEmail } from '../../users/email-address.ts';
import { EmailMalformed } from '../../errors.ts';

test('spellings of one address share a key, and the address is kept as typed', async (t) => {
  t.strictSame(parseEmail('  Ada.Lovelace+x@Example.COM '), {
    email: 'Ada.Lovelace+x@Example.COM',
    emailKey: 'ada.lovelace+x@example.com',
  });
  t.equal(
    parseEmail('ada@bücher.example').emailKey,
    parseEmail('ada@XN--BCHER-KVA.example').emailKey,
  );
  t.equal(
    parseEmail('e\u0301@example.com').emailKey,
    parseEmail('\u00e9@example.com').emailKey,
    'NFC',
  );
  t.not(
    parseEmail('a.da@example.com').emailKey,
    parseEmail('ada@example.com').emailKey,
    'dots belong to the provider',
  );
});

test('text that is not one mailbox is refused, even where a URL parser accepts it', async (t) => {
  for (const typed of [
    'ada',
    'ada@',
    '@example.com',
    'ada@localhost',
    'ada@example',
    'ada@@example.com',
    'a da@example.com',
    'ada@exa mple.com',
    '"ada"@example.com',
    'victim@example.com/x,root',
    'victim@example.com?x',
    'victim@example.com#<script>',
    'victim@example.com\\x',
    'victim@ex%61mple.com',
    'victim@example.com:25',
    'victim@example.com/\u0001',
    'ada\u200b@example.com',
    'ada\u202e@example.com',
    'ada@exam\u00adple.com',
    'ada@[127.0.0.1]',
    'ada@1.2.3.4:80',
    '.ada@example.com',
    'ada.@example.com',
    'a..da@example.com',
    `${'a'.repeat(65)}@example.com`,
    `ada@${'a'.repeat(64)}.com`,
    `ada@${'a.'.repeat(130)}com`,
    'ada@example..com',
    'ada@-example.com',
    'ada@example.c-',
    'ada@example.-c',
  ])
    t.throws(() => parseEmail(typed), EmailMalformed, typed);
});

test('an IP address is no domain, however it is written', async (t) => {
  for (const domain of [
    '127.0.0.11',
    '127.0.0.11.',
    '0x7f.0x0.0x0.0x0b',
    '0x7f.1',
    '0X7F.0X1',
    '0177.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '１２７.０.０.１',
    '127。0。0。1',
    '[127.0.0.11]',
    '[IPv6:::1]',
    '::1',
    'mail.example.123',
    'mail.example.0x1f',
    'mail.example.0x',
    'mail.example.1e1',
  ])
    t.throws(() => parseEmail(`a@${domain}`), EmailMalformed, domain);
});

test('domains with digits and top-level domains in other scripts are accepted', async (t) => {
  for (const domain of ['1and1.example', '163.com', 'xn--p1ai.xn--p1ai', 'почта.рф', 'a.co'])
    t.doesNotThrow(() => parseEmail(`a@${domain}`), domain);
});

test('a local part has at most 64 octets, and an address 254', async (t) => {
  const domain = `${`${'a'.repeat(61)}.`.repeat(3)}com`;
  for (const email of [
    `${'a'.repeat(64)}@example.com`,
    `${'é'.repeat(32)}@example.com`,
    `${'😀'.repeat(16)}@example.com`,
    `${'e\u0301'.repeat(32)}@example.com`,
    `${'a'.repeat(254 - domain.length - 1)}@${domain}`,
  ])
    t.doesNotThrow(() => parseEmail(email), email);
  for (const email of [
    `${'a'.repeat(65)}@example.com`,
    `${'é'.repeat(33)}@example.com`,
    `${'a'.repeat(63)}é@example.com`,
    `${'😀'.repeat(17)}@example.com`,
    `a@${`${'ü'.repeat(28)}.`.repeat(5)}com`,
    `${'a'.repeat(255 - domain.length - 1)}@${domain}`,
  ])
    t.throws(() => parseEmail(email), EmailMalformed, email);
});
