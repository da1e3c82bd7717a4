import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { summary } from '../../../src/fleet/commands/summary.ts';
import { ROOT } from '../../../src/fleet/settings.ts';
import { folder } from '../fake-fleet.ts';

const FLEET = {
  http: 'http://localhost:8080',
  https: 'https://localhost:8443',
  mail: {
    page: 'http://localhost:8025',
    user: 'muniment',
    passwordFile: path.join(ROOT, '.data/secrets/mail-password'),
  },
  processes: 11,
};

test('a newcomer is told the addresses, what to try, and how to look, configure and stop', (t) => {
  const text = summary(FLEET, { data: path.join(ROOT, '.data'), seconds: 12.34 });
  t.match(text, /^\nMuniment is up after 12\.3 s: 11 processes\.$/m);
  t.match(text, /^  API +http:\/\/localhost:8080   https:\/\/localhost:8443 \(self-signed\)$/m);
  t.match(text, /^  mails +http:\/\/localhost:8025   \(every mail is shown here/m);
  t.match(text, /^ +user muniment, password in \.data\/secrets\/mail-password$/m);
  for (const target of ['logs', 'status', 'down'])
    t.match(text, new RegExp(`^  \\w+ +make ${target}  `, 'm'), target);
  t.match(text, /^  settings +make up NAME=value, or a file \.env/m);
  t.ok(text.split('\n').every((line) => line.length <= 130));
  t.end();
});

test('a running fleet is said to run already, and a missing openssl is named', (t) => {
  const text = summary({ ...FLEET, https: null }, { data: path.join(ROOT, '.data') });
  t.match(text, /^Muniment is already running: 11 processes\.$/m);
  t.match(text, /\(no TLS: openssl is not installed\)/);
  t.end();
});

test('the commands for a fleet in another folder name that folder', (t) => {
  const data = path.join(folder(t), 'a fleet');
  mkdirSync(data);
  t.match(summary(FLEET, { data }), new RegExp(`make down DATA='${data}'`));
  t.end();
});
