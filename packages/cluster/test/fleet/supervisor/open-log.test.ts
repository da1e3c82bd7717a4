import { closeSync, readFileSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { openLog } from '../../../src/fleet/supervisor/open-log.ts';
import { folder } from '../fake-fleet.ts';

const write = (file: string, text: string, limit: number): void => {
  const fd = openLog(file, limit);
  writeSync(fd, text);
  closeSync(fd);
};

test('a log is appended to, for its owner only', (t) => {
  const file = path.join(folder(t), 'logs/user-1.log');
  write(file, 'one\n', 100);
  write(file, 'two\n', 100);
  t.equal(readFileSync(file, 'utf8'), 'one\ntwo\n');
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.end();
});

test('a log over the limit is rotated, and no file of logrotate is lost', (t) => {
  const data = folder(t);
  const file = path.join(data, 'user-1.log');
  const texts = {
    'user-1.log': 'today',
    'user-1.log.1': 'yesterday',
    'user-1.log.2.gz': 'before',
    'user-1.log.14.gz': 'oldest',
    'user-10.log.1': 'another',
  };
  for (const [name, text] of Object.entries(texts)) writeFileSync(path.join(data, name), text);
  write(file, 'new', 4);
  const found = Object.fromEntries(
    readdirSync(data).map((name) => [name, readFileSync(path.join(data, name), 'utf8')]),
  );
  t.same(found, {
    'user-1.log': 'new',
    'user-1.log.1': 'today',
    'user-1.log.2': 'yesterday',
    'user-1.log.3.gz': 'before',
    'user-1.log.14.gz': 'oldest',
    'user-10.log.1': 'another',
  });
  t.end();
});
