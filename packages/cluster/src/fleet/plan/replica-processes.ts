import { availableParallelism } from 'node:os';
import path from 'node:path';
import { type FleetSettings, ROOT } from '../settings.ts';
import type { ProcessSpec } from '../supervisor/plan.ts';
import {
  AUDIT_BUCKET,
  BUCKET,
  type FleetParts,
  logOf,
  POOL_MAX,
  portOf,
  servicePortOf,
  serviceUrl,
  smtpUrl,
  STREAM,
  systemEnvironment,
} from './fleet-parts.ts';
import { replicaNames, type ServiceName } from './replica-names.ts';
import { V8_FLAGS } from './v8-flags.ts';

// Makes glibc return freed memory: a file replica that used 2 GiB stays at 204 MB, not 253.
// Not for the user service: hashing would ask the kernel for 19 MiB each time (23.6 ms, not 13).
const RETURN_FREED_MEMORY = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_TRIM_THRESHOLD_: '131072',
  MALLOC_MMAP_THRESHOLD_: '131072',
};

const LOOPBACK_NAMES = ['localhost', '127.0.0.1'];

/** All replicas of the three services. */
export function replicaProcesses(parts: FleetParts): ProcessSpec[] {
  const { settings } = parts;
  return replicaNames(settings.replicas).map(({ service, name }) => ({
    name,
    service,
    port: portOf(parts, name),
    log: logOf(parts, name),
    ready: { http: `http://127.0.0.1:${portOf(parts, name)}/health/ready` },
    stopSignal: 'SIGTERM',
    stopTimeout: 35_000,
    command: [
      process.execPath,
      ...V8_FLAGS,
      ...(settings.watch ? ['--watch'] : []),
      path.join(ROOT, `services/${service}/server.ts`),
    ],
    env: {
      ...serviceEnvironment(parts, service),
      PORT: String(portOf(parts, name)),
      REPLICA: name,
    },
  }));
}

/**
 * The environment of a service, without PORT and REPLICA.
 * The caller's settings override the defaults above them and never what follows.
 */
export function serviceEnvironment(
  parts: FleetParts,
  service: ServiceName,
): Record<string, string> {
  const { settings, secrets, masterKeyFile, secretFiles } = parts;
  return {
    PUBLIC_URL: publicUrlOf(settings),
    DATABASE_POOL_MAX: String(POOL_MAX),
    LIMITS: settings.limits ? 'on' : 'off',
    // Replicas share the cores. 4 hashes at once on 2 cores are 9 % fewer a second than 2.
    ...(service === 'user' && { PASSWORD_CONCURRENCY: shareOfCores(settings) }),
    ...(service === 'file'
      ? { UPLOAD_MAX_BYTES: String(settings.uploadMaxBytes), DOWNLOAD_MODE: 'accel' }
      : {}),
    ...settings.services,
    ...systemEnvironment(),
    CORS_ORIGINS: allowedOrigins(parts),
    HOST: '127.0.0.1',
    TRUSTED_PROXIES: '127.0.0.1/32,::1/128',
    DATABASE_URL: serviceUrl(parts, `${service}_service`),
    MASTER_KEY_FILE: masterKeyFile,
    GATEWAY_SECRET_FILE: secretFiles['gateway-secret'],
    METRICS_TOKEN_FILE: secretFiles['metrics-token'],
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: secrets.s3AccessKeyId,
    AWS_SECRET_ACCESS_KEY: secrets.s3SecretAccessKey,
    KINESIS_ENDPOINT: `http://127.0.0.1:${servicePortOf(parts, 'kinesis')}`,
    KINESIS_STREAM: STREAM,
    ...ownEnvironment(parts, service),
  };
}

const shareOfCores = ({ replicas }: FleetSettings): string =>
  String(Math.max(1, Math.floor(availableParallelism() / replicas)));

const publicUrlOf = ({ services, port }: FleetSettings): string =>
  services.PUBLIC_URL ?? `http://localhost:${port}`;

/**
 * CORS_ORIGINS of the services and of the gateway. A developer opens the local gateway by either
 * name and scheme, and all of them are our pages.
 */
export function allowedOrigins({
  settings,
  tlsPort,
}: Pick<FleetParts, 'settings' | 'tlsPort'>): string {
  const configured = settings.services.CORS_ORIGINS;
  const pages = configured === undefined || configured === '' ? [] : [configured];
  const publicUrl = publicUrlOf(settings);
  const hostname = URL.canParse(publicUrl) ? new URL(publicUrl).hostname : '';
  const local = LOOPBACK_NAMES.includes(hostname) ? LOOPBACK_NAMES : [];
  return local
    .flatMap((name) => [
      `http://${name}:${settings.port}`,
      ...(tlsPort === undefined ? [] : [`https://${name}:${tlsPort}`]),
    ])
    .concat(pages)
    .join(',');
}

/** Each replica, past the gateway, as the user service reaches them. */
const fileServiceUrls = (parts: FleetParts): string =>
  replicaNames(parts.settings.replicas)
    .filter(({ service }) => service === 'file')
    .map(({ name }) => `http://127.0.0.1:${portOf(parts, name)}`)
    .join(',');

function ownEnvironment(parts: FleetParts, service: ServiceName): Record<string, string> {
  const s3Endpoint = `http://127.0.0.1:${servicePortOf(parts, 's3')}`;
  switch (service) {
    case 'user':
      return {
        FILE_SERVICE_URLS: fileServiceUrls(parts),
        SMTP_URL: smtpUrl(parts, servicePortOf(parts, 'smtp')),
        MAIL_FROM: 'Muniment <no-reply@muniment.localhost>',
      };
    case 'file':
      return { ...RETURN_FREED_MEMORY, S3_ENDPOINT: s3Endpoint, S3_BUCKET: BUCKET };
    case 'audit':
      return {
        RECONCILER_DATABASE_URL: serviceUrl(parts, 'audit_reconciler'),
        AUDIT_RETENTION_DATABASE_URL: serviceUrl(parts, 'audit_retention'),
        AUDIT_KEY_FILE: parts.auditKeyFile,
        AUDIT_S3_ENDPOINT: s3Endpoint,
        AUDIT_BUCKET,
      };
  }
}
