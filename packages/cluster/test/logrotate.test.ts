import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { test } from 'tap';
import { findProgram } from '../src/nginx/ensure-nginx.ts';
import { folder } from './fleet/fake-fleet.ts';

const logrotate = findProgram('logrotate');
const needed =
  logrotate !== undefined && process.getuid?.() === 0 ? {} : { skip: 'needs logrotate and root' };

test('a line is kept for 14 rotations and gone after the 15th, in idle logs too', needed, (t) => {
  const data = folder(t);
  const names = ['logs/user-1.log', 'logs/user-3.log', 'nginx/access.log'];
  for (const name of ['logs', 'nginx']) mkdirSync(path.join(data, name), { mode: 0o700 });
  for (const name of names) writeFileSync(path.join(data, name), `day 0 of ${name}\n`);
  const conf = path.join(data, 'conf');
  writeFileSync(
    conf,
    readFileSync(
      path.join(import.meta.dirname, '../../../docker/logs/logrotate-muniment.conf'),
      'utf8',
    ).replaceAll('/srv/muniment/.data', data),
    { mode: 0o644 },
  );
  const state = path.join(data, 'state');
  const yesterday = new Date(Date.now() - 36 * 3_600_000);
  const day = `${yesterday.getFullYear()}-${yesterday.getMonth() + 1}-${yesterday.getDate()}-0:0:0`;
  const logsOfDay0 = (): string[] =>
    names.filter((name) => {
      const folderOf = path.join(data, path.dirname(name));
      return readdirSync(folderOf)
        .filter((file) => file.startsWith(path.basename(name)))
        .some((file) => {
          const bytes = readFileSync(path.join(folderOf, file));
          return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).includes('day 0 ');
        });
    });
  for (let rotation = 1; rotation <= 15; rotation++) {
    // logrotate compares days with its state, which says that the last run was yesterday.
    writeFileSync(
      state,
      `logrotate state -- version 2\n` +
        names.map((name) => `"${path.join(data, name)}" ${day}\n`).join(''),
      { mode: 0o600 },
    );
    const run = spawnSync(logrotate!, ['-s', state, conf], { encoding: 'utf8' });
    t.equal(run.status, 0, run.stderr);
    writeFileSync(path.join(data, 'logs/user-1.log'), `day ${rotation}\n`, { flag: 'a' });
    if (rotation === 14) t.same(logsOfDay0(), names, 'all of them are kept');
  }
  t.same(logsOfDay0(), []);
  t.end();
});
