import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { rotateLogs } from '../../../src/fleet/supervisor/log-retention.ts';
import { folder } from '../fake-fleet.ts';

const DAY_MS = 24 * 60 * 60_000;
const inDays = (days: number): Date => new Date(Date.now() + days * DAY_MS);
const rotateOn = (data: string, days: number, keep: number): void =>
  rotateLogs([path.join(data, 'user-1.log')], keep, inDays(days));
const contains = (data: string, line: string): boolean =>
  readdirSync(data).some((name) => readFileSync(path.join(data, name), 'utf8').includes(line));

test('a log is rotated once a day and its process writes on to the same descriptor', (t) => {
  const data = folder(t);
  const file = path.join(data, 'user-1.log');
  const fd = openSync(file, 'a', 0o600);
  writeSync(fd, 'day 0\n');
  rotateOn(data, 0, 14);
  t.same(readdirSync(data), ['user-1.log'], 'not on its first day');
  rotateOn(data, 1, 14);
  rotateOn(data, 1, 14);
  writeSync(fd, 'day 1\n');
  closeSync(fd);
  t.equal(readFileSync(file, 'utf8'), 'day 1\n');
  const aside = readdirSync(data).filter((name) => name !== 'user-1.log');
  t.equal(aside.length, 1);
  t.equal(readFileSync(path.join(data, aside[0] ?? ''), 'utf8'), 'day 0\n');
  t.equal(statSync(path.join(data, aside[0] ?? '')).mode & 0o777, 0o600);
  t.end();
});

test('a line is kept for LOG_DAYS and gone a day later', (t) => {
  for (const keep of [1, 14]) {
    const data = folder(t);
    const file = path.join(data, 'user-1.log');
    writeFileSync(file, 'somebody\n');
    for (let day = 1; day <= keep; day += 1) {
      rotateOn(data, day, keep);
      t.ok(contains(data, 'somebody'), `day ${day} of ${keep}`);
      appendFileSync(file, `day ${day}\n`);
    }
    rotateOn(data, keep + 1, keep);
    t.notOk(contains(data, 'somebody'), `day ${keep + 1} of ${keep}`);
    t.ok(contains(data, `day ${keep}`));
  }
  t.end();
});

test('logs rotated at a restart are deleted too; other logs stay', (t) => {
  const data = folder(t);
  for (const name of ['user-1.log', 'user-1.log.1', 'user-10.log.1']) {
    writeFileSync(path.join(data, name), '');
    utimesSync(path.join(data, name), inDays(-20), inDays(-20));
  }
  rotateLogs([path.join(data, 'user-1.log')], 0);
  t.equal(readdirSync(data).length, 3);
  rotateLogs([path.join(data, 'user-1.log'), path.join(data, 'absent/absent.log')], 14);
  t.same(readdirSync(data), ['user-1.log', 'user-10.log.1']);
  t.end();
});
