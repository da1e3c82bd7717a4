import { test } from 'tap';
import { watchOutage } from '../../consumer/outage.ts';

test('an outage that many loops notice is said once, and so is its end', (t) => {
  const said: string[] = [];
  const outage = watchOutage(
    {
      info: (_details, message) => void said.push(`info ${message}`),
      warn: (_details, message) => void said.push(`warn ${message}`),
    },
    'kinesis',
  );
  t.equal(outage.since(), undefined);
  outage.end();
  t.same(said, []);
  for (let n = 0; n < 5; n += 1) outage.notice(new Error('down'));
  t.ok(outage.since());
  outage.end();
  outage.end();
  t.match(said, [/^warn/, /^info/]);
  t.equal(said.length, 2);
  t.equal(outage.since(), undefined);
  t.end();
});
