import { test } from 'tap';
import { emailKey } from '../../src/index.ts';

test('every spelling of an e-mail address has one key', (t) => {
  for (const spelling of ['ada@example.com', ' ADA@Example.COM ', 'Ada@EXAMPLE.com'])
    t.equal(emailKey(spelling), 'ada@example.com');
  t.equal(emailKey('ada@bücher.example'), 'ada@xn--bcher-kva.example');
  t.equal(emailKey('u\u0308@example.com'), emailKey('\u00fc@example.com'));
  t.not(emailKey('a.da@example.com'), 'ada@example.com');
  for (const odd of ['', '@', 'no address', 'a@b/c', 'a@%61']) t.type(emailKey(odd), 'string', odd);
  t.end();
});
