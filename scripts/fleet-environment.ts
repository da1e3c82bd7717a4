import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What an operator's command needs to act as the user service: the environment of the local fleet's in DATA/fleet.json, or, where the caller's own
 * environment names a database, that.
 * @throws when there is neither
 */
export async function userServiceEnvironment(own: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  if (own.DATABASE_URL && own.MASTER_KEY_FILE) return own;
  const dataDir = own.DATA ?? '.data';
  const text = await readFile(join(dataDir, 'fleet.json'), 'utf8').catch(() => {
    throw new Error(`no fleet in ${dataDir}: run make up first (or name its folder by DATA=)`);
  });
  const fleet = JSON.parse(text) as { environments?: { user?: Record<string, string> } };
  if (!fleet.environments?.user)
    throw new Error(`${dataDir}/fleet.json does not describe a user service`);
  return fleet.environments.user;
}
