import { join } from 'node:path';
import type { Client } from '../../load/client.ts';
import { installPackages } from '../../run/install.ts';
import { runProgram } from '../../run/launch.ts';
import { newSecret, startPeerDatabase, type PeerDatabase } from '../../run/peer-database.ts';
import { startReplicas } from '../../run/replicas.ts';
import { createFolder, type Run } from '../../run/run.ts';
import type { StartedTarget } from '../target-spec.ts';
import { directusSpec } from './directus-spec.ts';
import { provisionDirectus } from './provision.ts';

type Environment = Record<string, string>;

const environmentOf = (run: Run, { port, user, password }: PeerDatabase): Environment => ({
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  KEY: newSecret(),
  SECRET: newSecret(),
  DB_CLIENT: 'pg',
  DB_HOST: '127.0.0.1',
  DB_PORT: String(port),
  DB_DATABASE: 'postgres',
  DB_USER: user,
  DB_PASSWORD: password,
  STORAGE_LOCATIONS: 'local',
  STORAGE_LOCAL_DRIVER: 'local',
  STORAGE_LOCAL_ROOT: createFolder(run, 'directus-uploads'),
  EXTENSIONS_PATH: createFolder(run, 'directus-extensions'),
  TELEMETRY: 'false',
  LOG_LEVEL: 'warn',
  SERVE_APP: 'false',
  ACCESS_TOKEN_TTL: '4h',
  PRESSURE_LIMITER_ENABLED: 'false',
  LOGIN_STALL_TIME: String(run.options.loginStallMs),
});

/** Starts Directus on a PostgreSQL of its own, with local storage. */
export async function startDirectus(
  run: Run,
  connect: (url: string) => Client,
): Promise<StartedTarget> {
  const folder = await installPackages(run, 'directus');
  const database = await startPeerDatabase(run, 'directus');
  const admin = { email: 'admin@example.com', password: newSecret() };
  const environment = environmentOf(run, database);
  const command = [process.execPath, join(folder, 'node_modules/directus/cli.js')];
  run.report('creating the schema of directus (directus bootstrap)');
  await runProgram(run, {
    name: 'directus-bootstrap',
    cwd: createFolder(run, 'directus'),
    command: [...command, 'bootstrap'],
    environment: { ...environment, ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password },
  });
  const { url, service, nginx } = await startReplicas(run, {
    name: 'directus',
    command: [...command, 'start'],
    environment: (publicUrl) => ({ ...environment, PUBLIC_URL: publicUrl }),
    health: '/server/ping',
    provision: async (first) => provisionDirectus(connect(first), admin),
  });
  return {
    spec: directusSpec(admin),
    url,
    processes: async () => ({ service, nginx, db: [database.pid], other: [] }),
  };
}
