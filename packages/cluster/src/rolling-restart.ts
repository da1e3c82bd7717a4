// make rolling-restart: restarts every replica, one after another, while the others serve.
import { existsSync, realpathSync } from 'node:fs';
import { FleetError } from './errors.ts';
import { ignoreClosedOutput, reportFailure } from './fleet/commands/output.ts';
import { listReplicas, restartReplica } from './fleet/commands/restart-replicas.ts';
import { lockData } from './fleet/commands/start-lock.ts';
import { dataFolder } from './fleet/settings.ts';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

async function restartAll(data: string): Promise<number> {
  const names = listReplicas(data);
  for (const name of names) {
    const { stopMs, readyMs, exit } = await restartReplica(data, name);
    console.log(`${name}: stopped after ${seconds(stopMs)}, ready ${seconds(readyMs)} later`);
    if (exit !== 'exit code 0')
      throw new FleetError(`${name} ended by ${exit}: its stop was not orderly. See its log.`);
  }
  return names.length;
}

ignoreClosedOutput();
try {
  const folder = dataFolder(process.env);
  if (!existsSync(folder)) throw new FleetError(`No fleet runs from ${folder}. Start it: make up.`);
  const data = realpathSync(folder);
  const unlock = lockData(data);
  try {
    console.log(`${await restartAll(data)} replicas were restarted, one after another`);
  } finally {
    unlock();
  }
} catch (error) {
  reportFailure('make rolling-restart', error);
}
