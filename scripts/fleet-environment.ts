import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Reads the user service's environment from DATA/fleet.json. A caller that names a database and
 * a key file gets its own environment back.
 * @throws when there is neither
 */
export async function userServiceEnvironment(own: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  if (own.DATABASE_URL && own.MASTER_KEY_FILE) return own;
  const dataDir = own.DATA ?? '.data';
  const text = await readFile(join(dataDir, 'fleet.json'), 'utf8').catch(() => {
    throw new Error(`There is no fleet in ${dataDir}. Run make up first, or set DATA.`);
  });
  const fleet = JSON.parse(text) as { environments?: { user?: Record<string, string> } };
  if (!fleet.environments?.user)
    throw new Error(`${dataDir}/fleet.json does not describe a user service.`);
  return fleet.environments.user;
}
