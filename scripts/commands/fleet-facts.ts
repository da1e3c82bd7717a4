import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the commands read of DATA/fleet.json. */
export interface FleetFacts {
  /** Whether `make dev` started it. */
  development?: boolean;
  gateway: { http: string };
  /** The superuser's, on the product's database. */
  postgres: { url: string };
  environments: { user: Record<string, string> };
}

const dataFolder = (environment: NodeJS.ProcessEnv): string => environment.DATA || '.data';

/** Reads the description of the fleet in DATA; undefined when there was never one. */
export async function findFleet(environment: NodeJS.ProcessEnv): Promise<FleetFacts | undefined> {
  const text = await readFile(join(dataFolder(environment), 'fleet.json'), 'utf8').catch(
    () => undefined,
  );
  return text === undefined ? undefined : (JSON.parse(text) as FleetFacts);
}

/** @throws when there was never a fleet in DATA */
export async function requireFleet(environment: NodeJS.ProcessEnv): Promise<FleetFacts> {
  const fleet = await findFleet(environment);
  if (!fleet)
    throw new Error(`There is no fleet in ${dataFolder(environment)}. Run make up, or set DATA.`);
  return fleet;
}

/**
 * The URL by which migrations run, as the role that owns every object: of the database that
 * DATABASE_ADMIN_URL and MIGRATOR_PASSWORD name, else of the local fleet.
 */
export async function migratorUrl(environment: NodeJS.ProcessEnv): Promise<string> {
  const { DATABASE_ADMIN_URL: adminUrl, MIGRATOR_PASSWORD: password } = environment;
  if (!adminUrl) {
    const url = new URL((await requireFleet(environment)).postgres.url);
    url.searchParams.set('options', '-c role=migrator');
    return url.href;
  }
  if (!password) throw new Error('MIGRATOR_PASSWORD is not set.');
  const url = new URL(adminUrl);
  Object.assign(url, { username: 'migrator', password, pathname: '/muniment' });
  return url.href;
}
