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
  ])
    t.throws(() => parseEmail(typed), EmailMalformed, typed);
});
