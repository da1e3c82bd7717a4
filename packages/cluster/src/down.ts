// make down: stops the fleet in order. Its data stays.
import { existsSync, realpathSync } from 'node:fs';
import { ignoreClosedOutput, reportFailure } from './fleet/commands/output.ts';
import { lockData } from './fleet/commands/start-lock.ts';
import { stopFleet } from './fleet/commands/stop-fleet.ts';
import { dataFolder } from './fleet/settings.ts';

async function down(data: string): Promise<boolean> {
  if (!existsSync(data)) return false;
  const folder = realpathSync(data);
  const unlock = lockData(folder);
  try {
    return await stopFleet(folder, console.log);
  } finally {
    unlock();
  }
}

ignoreClosedOutput();
const data = dataFolder(process.env);
try {
  const stopped = await down(data);
  console.log(
    stopped ? `the fleet is down; its data stays in ${data}` : `no fleet runs from ${data}`,
  );
} catch (error) {
  reportFailure('make down', error);
}
