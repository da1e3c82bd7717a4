import path from 'node:path';
import { test } from 'tap';
import { freePort } from '../src/free-port.ts';
import { processesOf } from '../src/postgres/stale-postgres.ts';
import { runCommand, runningFrom } from './fleet/run-command.ts';
import { folder } from './fleet/fake-fleet.ts';

test(
  'a failed start names the process and the bad variable, and leaves nothing running',
  { timeout: 60_000 },
  async (t) => {
    const data = folder(t);
    const env = {
      DATA: data,
      PORT: String(await freePort()),
      TLS_PORT: String(await freePort()),
      REPLICAS: '1',
      LOG_LEVEL: 'deafening',
    };
    const { code, output } = await runCommand('up.ts', env);
    t.equal(code, 1);
    t.match(
      output,
      new RegExp(
        'make up failed: (user|file|audit)-1 did not start: it ended by exit code 1' +
          '[^]*LOG_LEVEL[^]*Nothing was left running',
      ),
    );
    t.same(runningFrom(data), []);
    t.same(processesOf(path.join(data, 'postgres')), []);
  },
);
