import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { lockData } from '../../../src/fleet/commands/start-lock.ts';
import { folder } from '../fake-fleet.ts';

test('a second start is refused until the first has ended', (t) => {
  const data = folder(t);
  const unlock = lockData(data);
  t.throws(() => lockData(data), {
    name: 'FleetError',
    message: new RegExp(`process ${process.pid}`),
  });
  unlock();
  lockData(data)();
  t.notOk(existsSync(path.join(data, 'lock')));
  t.end();
});

test('the lock of a dead process is void', (t) => {
  const data = folder(t);
  writeFileSync(path.join(data, 'lock'), JSON.stringify({ pid: process.pid, startTime: 1 })); // Another process with this pid.
  lockData(data)();
  t.end();
});
