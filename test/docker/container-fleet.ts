import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from '@muniment/cluster';
import { until } from '@muniment/testing';
import { connectToFleet, type Fleet } from '../e2e/fleet.ts';
import { command, type CommandOptions } from './engine/command.ts';

export interface Container {
  id: string;
  name: string;
  health: string;
}

/** The fleet of docker-compose.yml, in a copy of the checkout. */
export interface ContainerFleet extends Fleet {
  folder: string;
  ports: Record<'http' | 'https' | 'mail' | 'prometheus', number>;
  docker(words: string[], options?: CommandOptions): Promise<string>;
  compose(words: string[], options?: CommandOptions): Promise<string>;
  /** A script of docker/ in the copy. */
  script(words: string[]): Promise<string>;
  /** The running containers of a service, oldest first. */
  containers(service: string): Promise<Container[]>;
  /** Waits until so many containers of a service are healthy, and the gateway knows them. */
  settled(service: string, count: number): Promise<void>;
}

const UP_TIMEOUT_MS = 180_000;
const FILES = ['docker-compose.yml', 'test/docker/compose.stand-ins.yml'];
/** The gateway asks the name server every 2 s. */
const NAMES_SEEN_MS = 4_500;

/** What the settings scenario expects to arrive, and what lets load through. */
export const SETTINGS = {
  REPLICAS: '2',
  LIMITS: 'off',
  EVENT_LOOP_MAX_DELAY_MS: '0',
  PRODUCT_NAME: 'Muniment in containers',
  LIMIT_RULES: 'login_account=50/60',
  AUDIT_RETENTION_MONTHS: '24',
};

/** Copies what git knows or would add: no secrets, no data, nothing that is ignored. */
export async function copyCheckout(root: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const list = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const files = (await command(list, { cwd: root })).split('\0').filter((file) => file !== '');
  for (const file of files) {
    if (!statSync(join(root, file), { throwIfNoEntry: false })?.isFile()) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file), { preserveTimestamps: true });
  }
}

export async function createContainerFleet(
  folder: string,
  engine: Record<string, string>,
): Promise<ContainerFleet> {
  const ports = {
    http: await freePort(),
    https: await freePort(),
    mail: await freePort(),
    prometheus: await freePort(),
  };
  const env = {
    ...engine,
    ...SETTINGS,
    COMPOSE_FILE: FILES.map((file) => join(folder, file)).join(':'),
    COMPOSE_PROJECT_DIRECTORY: folder,
    PORT: String(ports.http),
    TLS_PORT: String(ports.https),
    MAIL_PORT: String(ports.mail),
    PROMETHEUS_PORT: String(ports.prometheus),
  };
  // The end-to-end tests' clients read the gateway's address here.
  writeFileSync(
    join(folder, 'fleet.json'),
    JSON.stringify({ gateway: { http: `http://127.0.0.1:${ports.http}` } }),
  );
  const docker: ContainerFleet['docker'] = (words, options) =>
    command(['docker', ...words], { cwd: folder, ...options, env: { ...env, ...options?.env } });
  return {
    ...(await connectToFleet(folder)),
    folder,
    ports,
    docker,
    compose: (words, options) => docker(['compose', ...words], options),
    script: (words) => command(words, { cwd: folder, env }),
    containers: (service) => listContainers(docker, service),
    async settled(service, count) {
      await until(
        async () => {
          const found = await listContainers(docker, service);
          return found.length === count && found.every(({ health }) => health === 'healthy');
        },
        { what: `${count} healthy containers of ${service}`, timeoutMs: UP_TIMEOUT_MS },
      );
      await new Promise((resolve) => setTimeout(resolve, NAMES_SEEN_MS));
    },
  };
}

/** The running containers of a service, oldest first. One that has just gone is left out. */
async function listContainers(
  docker: ContainerFleet['docker'],
  service: string,
): Promise<Container[]> {
  const ids = await docker(['compose', 'ps', '--quiet', '--status', 'running', service]);
  const shown = await Promise.all(
    ids
      .split('\n')
      .filter((id) => id !== '')
      .map((id) => docker(['inspect', '--format', FORMAT, id]).catch(() => '')),
  );
  return shown
    .filter((line) => line !== '')
    .map((line) => line.trim().split(' '))
    .map(([id = '', name = '', health = '', created = '']) => ({ id, name, health, created }))
    .toSorted((a, b) => (a.created < b.created ? -1 : 1));
}

const FORMAT = '{{.Id}} {{.Name}} {{.State.Health.Status}} {{.Created}}';
