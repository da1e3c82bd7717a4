import path from 'node:path';
import { postgresCommand } from '../../postgres/postgres-command.ts';
import type { ProcessSpec } from '../supervisor/plan.ts';
import {
  AUDIT_BUCKET,
  BUCKET,
  type FleetParts,
  logOf,
  MAIL_USER,
  nodeCommand,
  POOL_MAX,
  portOf,
  STREAM,
  systemEnvironment,
} from './fleet-parts.ts';
import { SERVICES } from './replica-names.ts';
import { readSecret } from './secrets.ts';

// Beside the pool: listener, leases, reconciler and two to spare.
const CONNECTIONS_PER_REPLICA = POOL_MAX + 5;
// For migrations, scripts and tests.
const SPARE_CONNECTIONS = 40;
const STOP_TIMEOUT_MS = 5_000;

/** PostgreSQL, Kinesis, S3 and the mail catcher. */
export function storeProcesses(parts: FleetParts): ProcessSpec[] {
  const { settings, secrets, secretFiles } = parts;
  const env = systemEnvironment();
  return [
    postgresProcess(parts, env),
    {
      ...nodeProcess(parts, 'kinesis'),
      ready: { tcp: portOf(parts, 'kinesis') },
      env: {
        ...env,
        PORT: String(portOf(parts, 'kinesis')),
        DIR: path.join(settings.data, 'kinesis'),
        STREAM,
        SHARDS: String(settings.shards),
        // A service has one key pair for both servers.
        ACCESS_KEY_ID: secrets.s3AccessKeyId,
        SECRET_ACCESS_KEY: secrets.s3SecretAccessKey,
      },
    },
    {
      ...nodeProcess(parts, 's3'),
      ready: { tcp: portOf(parts, 's3') },
      env: {
        ...env,
        PORT: String(portOf(parts, 's3')),
        DIR: path.join(settings.data, 's3'),
        BUCKETS: `${BUCKET},${AUDIT_BUCKET}`,
        S3_ACCESS_KEY_ID: secrets.s3AccessKeyId,
        S3_SECRET_ACCESS_KEY: secrets.s3SecretAccessKey,
      },
    },
    {
      ...nodeProcess(parts, 'mail'),
      ready: { http: `http://127.0.0.1:${portOf(parts, 'mail')}/health` },
      env: {
        ...env,
        SMTP_PORT: String(portOf(parts, 'smtp')),
        PAGE_PORT: String(portOf(parts, 'mail')),
        MAIL_USER,
        MAIL_PASSWORD: readSecret(secretFiles['mail-password']),
      },
    },
  ];
}

function nodeProcess(
  parts: FleetParts,
  name: 'kinesis' | 's3' | 'mail',
): Omit<ProcessSpec, 'env' | 'ready'> {
  return {
    name,
    service: name,
    port: portOf(parts, name),
    log: logOf(parts, name),
    stopSignal: 'SIGTERM',
    stopTimeout: STOP_TIMEOUT_MS,
    command: nodeCommand(`packages/cluster/src/${name}/serve.ts`),
  };
}

function postgresProcess(parts: FleetParts, env: Record<string, string>): ProcessSpec {
  const { settings, postgres } = parts;
  const connections =
    settings.replicas * SERVICES.length * CONNECTIONS_PER_REPLICA + SPARE_CONNECTIONS;
  return {
    name: 'postgres',
    service: 'postgres',
    port: portOf(parts, 'postgres'),
    log: logOf(parts, 'postgres'),
    ready: { postgres: postgres.dataDir },
    stopSignal: 'SIGINT',
    stopTimeout: 20_000,
    command: postgresCommand(postgres, {
      port: portOf(parts, 'postgres'),
      durable: settings.durable,
      settings: { max_connections: String(connections), shared_buffers: '128MB' },
    }),
    env: { ...env, LC_ALL: 'C.UTF-8' },
    ...(postgres.user ? { user: postgres.user } : {}),
  };
}
