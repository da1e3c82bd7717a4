// make down: stops the fleet in order; its data stays.
import { existsSync, realpathSync } from 'node:fs';
import { outliveOutput, reportFailure } from './fleet/commands/output.ts';
import { dataFolder } from './fleet/settings.ts';
import { lockData } from './fleet/commands/start-lock.ts';
import { stopFleet } from './fleet/commands/stop-fleet.ts';

outliveOutput();
const data = dataFolder(process.env);
try {
  if (!existsSync(data)) {
    console.log(`no fleet runs from ${data}`);
  } else {
    const unlock = lockData(realpathSync(data));
    try {
      const stopped = await stopFleet(realpathSync(data), console.log);
      console.log(
        stopped ? `the fleet is down; its data stays in ${data}` : `no fleet runs from ${data}`,
      );
    } finally {
      unlock();
    }
  }
} catch (error) {
  reportFailure('make down', error);
}
