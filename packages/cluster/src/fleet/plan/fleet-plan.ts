import { readFileSync } from 'node:fs';
import path from 'node:path';
import { postgresCommand } from '../../postgres/postgres-command.ts';
import type { PostgresRuntime } from '../../postgres/unprivileged.ts';
import type { Plan, ProcessSpec } from '../supervisor/plan.ts';
import type { Secrets } from './secrets.ts';
import { type FleetSettings, ROOT } from '../settings.ts';

const SERVICES = ['user', 'file', 'audit'] as const;
const STREAM = 'audit-events';
const BUCKET = 'muniment-files';
const AUDIT_BUCKET = 'muniment-audit';
// Per replica: its pool, the direct connection that listens, the leases' connection, the reconciler's and one to spare.
const POOL = 10;
const CONNECTIONS_PER_REPLICA = POOL + 5;
// Node's own choice (16 MiB, three times over) costs a replica 20 MB idle and 50 MB after large uploads. It would save some 15 % of the CPU of answers
// of 40 KB: memory is the tighter goal here (docs/benchmarks.md).
const SMALL_YOUNG_GENERATION = '--max-semi-space-size=4';
// glibc keeps what is freed, per thread and in ever larger pieces. With these a file replica that took 2 GiB stays at 204 MB instead of 253.
// Not for the user service: the 19 MiB of a password hash would be asked of the kernel each time (23.6 ms of CPU a sign-in instead of 13).
const GIVE_MEMORY_BACK = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_TRIM_THRESHOLD_: '131072',
  MALLOC_MMAP_THRESHOLD_: '131072',
};

export interface FleetParts {
  settings: FleetSettings;
  ports: Record<string, number>;
  secrets: Secrets;
  masterKeyFile: string;
  /** The log's signing key. */
  auditKeyFile: string;
  postgres: PostgresRuntime;
  nginx: string;
  /** Absent: no TLS. */
  tlsPort?: number;
}

export function replicaNames(
  replicas: number,
): { service: (typeof SERVICES)[number]; name: string }[] {
  return SERVICES.flatMap((service) =>
    Array.from({ length: replicas }, (_, index) => ({ service, name: `${service}-${index + 1}` })),
  );
}

/** Every name that needs a port, beside the gateway's own two. */
export function portNames(replicas: number): string[] {
  return [
    'postgres',
    'kinesis',
    's3',
    'smtp',
    'mail',
    ...replicaNames(replicas).map(({ name }) => name),
  ];
}

/** The whole fleet as the supervisor runs it. */
export function fleetPlan(parts: FleetParts): Plan {
  const { settings, secrets } = parts;
  const { data } = settings;
  const port = (name: string): number => parts.ports[name] ?? 0;
  const log = (name: string): string => path.join(data, 'logs', `${name}.log`);
  // What the services are told: in fault tests a proxy stands in front of the real one.
  const seen = (name: string): number => settings.proxyPorts[name] ?? port(name);
  const url = (role: keyof Secrets, database: string, at = port('postgres')): string =>
    `postgres://${role}:${secrets[role]}@127.0.0.1:${at}/${database}`;
  const kinesis = { endpoint: `http://127.0.0.1:${port('kinesis')}`, stream: STREAM };
  const s3 = {
    endpoint: `http://127.0.0.1:${port('s3')}`,
    bucket: BUCKET,
    auditBucket: AUDIT_BUCKET,
    accessKeyId: secrets.s3AccessKeyId,
    secretAccessKey: secrets.s3SecretAccessKey,
  };
  const node = (file: string): string[] => [process.execPath, path.join(ROOT, file)];
  // Compiled code and stripped types are kept between starts: a killed replica is ready in half the time. Tests give one folder to all their fleets.
  const base = {
    ...inherited(process.env),
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? path.join(data, 'compile-cache'),
  };

  const connections = settings.replicas * SERVICES.length * CONNECTIONS_PER_REPLICA + 40;
  const stores: ProcessSpec[] = [
    {
      name: 'postgres',
      service: 'postgres',
      port: port('postgres'),
      log: log('postgres'),
      ready: { postgres: parts.postgres.dataDir },
      stopSignal: 'SIGINT',
      stopTimeout: 20_000,
      command: postgresCommand(parts.postgres, {
        port: port('postgres'),
        durable: settings.durable,
        settings: { max_connections: String(connections), shared_buffers: '128MB' },
      }),
      env: { ...base, LC_ALL: 'C.UTF-8' },
      ...(parts.postgres.user ? { user: parts.postgres.user } : {}),
    },
    {
      name: 'kinesis',
      service: 'kinesis',
      port: port('kinesis'),
      log: log('kinesis'),
      ready: { tcp: port('kinesis') },
      stopSignal: 'SIGTERM',
      stopTimeout: 5_000,
      command: node('packages/cluster/src/kinesis/serve.ts'),
      env: {
        ...base,
        PORT: String(port('kinesis')),
        DIR: path.join(data, 'kinesis'),
        STREAM,
        SHARDS: String(settings.shards),
      },
    },
    {
      name: 's3',
      service: 's3',
      port: port('s3'),
      log: log('s3'),
      ready: { tcp: port('s3') },
      stopSignal: 'SIGTERM',
      stopTimeout: 5_000,
      command: node('packages/cluster/src/s3/serve.ts'),
      env: {
        ...base,
        PORT: String(port('s3')),
        DIR: path.join(data, 's3'),
        BUCKETS: `${BUCKET},${AUDIT_BUCKET}`,
        S3_ACCESS_KEY_ID: s3.accessKeyId,
        S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
      },
    },
    {
      name: 'mail',
      service: 'mail',
      port: port('mail'),
      log: log('mail'),
      ready: { http: `http://127.0.0.1:${port('mail')}/` },
      stopSignal: 'SIGTERM',
      stopTimeout: 5_000,
      command: node('packages/cluster/src/mail/serve.ts'),
      env: { ...base, SMTP_PORT: String(port('smtp')), PAGE_PORT: String(port('mail')) },
    },
  ];

  const environment = (service: (typeof SERVICES)[number]): Record<string, string> => ({
    PUBLIC_URL: `http://localhost:${settings.port}`,
    DATABASE_POOL_MAX: String(POOL),
    LIMITS: settings.limits ? 'on' : 'off',
    ...(service === 'file'
      ? { UPLOAD_MAX_BYTES: String(settings.uploadMaxBytes), DOWNLOAD_MODE: 'accel' }
      : {}),
    ...base,
    HOST: '127.0.0.1',
    TRUSTED_PROXIES: '127.0.0.1/32,::1/128',
    DATABASE_URL: url(`${service}_service`, 'muniment', seen('postgres')),
    ...(service === 'user'
      ? {
          SMTP_URL: `smtp://127.0.0.1:${seen('smtp')}`,
          MAIL_FROM: 'Muniment <no-reply@muniment.localhost>',
        }
      : {}),
    ...(service === 'audit'
      ? {
          RECONCILER_DATABASE_URL: url('audit_reconciler', 'muniment', seen('postgres')),
          AUDIT_RETENTION_DATABASE_URL: url('audit_retention', 'muniment', seen('postgres')),
        }
      : {}),
    MASTER_KEY_FILE: parts.masterKeyFile,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    KINESIS_ENDPOINT: `http://127.0.0.1:${seen('kinesis')}`,
    KINESIS_STREAM: STREAM,
    ...(service === 'file'
      ? { ...GIVE_MEMORY_BACK, S3_ENDPOINT: `http://127.0.0.1:${seen('s3')}`, S3_BUCKET: BUCKET }
      : {}),
    ...(service === 'audit'
      ? {
          AUDIT_KEY_FILE: parts.auditKeyFile,
          AUDIT_S3_ENDPOINT: `http://127.0.0.1:${seen('s3')}`,
          AUDIT_BUCKET,
        }
      : {}),
  });
  const replicas = replicaNames(settings.replicas).map(({ service, name }): ProcessSpec => ({
    name,
    service,
    port: port(name),
    log: log(name),
    ready: { http: `http://127.0.0.1:${port(name)}/health/ready` },
    stopSignal: 'SIGTERM',
    stopTimeout: 35_000,
    command: [
      process.execPath,
      SMALL_YOUNG_GENERATION,
      ...(settings.watch ? ['--watch'] : []),
      path.join(ROOT, `services/${service}/server.ts`),
    ],
    env: { ...environment(service), PORT: String(port(name)), REPLICA: name },
  }));

  const nginxDir = path.join(data, 'nginx');
  const gateway: ProcessSpec = {
    name: 'nginx',
    service: 'nginx',
    port: settings.port,
    log: log('nginx'),
    ready: { tcp: settings.port },
    stopSignal: 'SIGQUIT',
    stopTimeout: 8_000,
    command: [
      parts.nginx,
      '-p',
      `${nginxDir}/`,
      '-c',
      path.join(nginxDir, 'nginx.conf'),
      '-e',
      'stderr',
    ],
    env: base,
  };

  const passwords = Object.fromEntries(
    Object.entries(secrets).flatMap(([role, password]) =>
      /^[a-z_]+$/.test(role) ? [[`${role.toUpperCase()}_PASSWORD`, password]] : [],
    ),
  );
  return {
    data,
    cwd: ROOT,
    settings: { ...settings },
    logDays: settings.logDays,
    logs: [path.join(data, 'nginx/access.log')],
    facts: {
      gateway: {
        http: `http://localhost:${settings.port}`,
        https: parts.tlsPort === undefined ? null : `https://localhost:${parts.tlsPort}`,
      },
      postgres: { url: url('postgres', 'muniment') },
      s3,
      kinesis,
      mail: { page: `http://localhost:${port('mail')}`, smtp: `smtp://127.0.0.1:${port('smtp')}` },
      masterKeyFile: parts.masterKeyFile,
      auditKeyFile: parts.auditKeyFile,
      // Of one replica each, on no port of its own: for scripts that do a service's work beside it.
      environments: Object.fromEntries(
        SERVICES.map((service) => [service, { ...environment(service), PORT: '0' }]),
      ),
      logs: path.join(data, 'logs'),
    },
    stages: [
      {
        title:
          'starting PostgreSQL, Kinesis, S3 and the mail catcher, bringing the schema up to date',
        processes: stores,
        task: {
          name: 'migration',
          command: node('scripts/migrate.ts'),
          log: log('migrate'),
          env: { ...base, ...passwords, DATABASE_ADMIN_URL: url('postgres', 'postgres') },
        },
      },
      {
        title: `starting ${settings.replicas} ${settings.replicas === 1 ? 'replica' : 'replicas'} each of user, file and audit`,
        processes: replicas,
      },
      { title: 'starting nginx', processes: [gateway] },
    ],
  };
}

const OF_THE_SYSTEM =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR)$/;
// What the plan itself decides: a developer's own settings of these must not lead the local fleet to other places.
const OF_THE_PLAN =
  /^(HOST|PORT|REPLICA|(RECONCILER_)?DATABASE_URL|MASTER_KEY_FILE|TRUSTED_PROXIES|KINESIS_(ENDPOINT|STREAM)|SMTP_URL|MAIL_FROM|S3_(ENDPOINT|BUCKET)|AUDIT_(S3_ENDPOINT|BUCKET|KEY_FILE)|AWS_[A-Z_]+)$/;

/** Of the caller's environment: what a process needs of its system, and the services' settings by name. A shell may hold secrets of anything else. */
function inherited(environment: NodeJS.ProcessEnv): Record<string, string> {
  // Made from the config schemas, and held to them by a test.
  const settings = new Set(
    Array.from(
      readFileSync(path.join(ROOT, '.env.example'), 'utf8').matchAll(/^#?([A-Z][A-Z0-9_]*)=/gm),
      ([, name]) => name,
    ),
  );
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (
      value !== undefined &&
      (OF_THE_SYSTEM.test(name) || (settings.has(name) && !OF_THE_PLAN.test(name)))
    )
      kept[name] = value;
  }
  return kept;
}
