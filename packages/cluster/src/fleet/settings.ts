import path from 'node:path';
import { FleetError } from '../errors.ts';

export const ROOT = path.join(import.meta.dirname, '../../../..');

export interface FleetSettings {
  data: string;
  replicas: number;
  /** 0: any free one, the same at the next start. */
  port: number;
  tlsPort: number;
  limits: boolean;
  /** fsync of PostgreSQL; off is for tests only. */
  durable: boolean;
  /** Replicas start again when their source changes. */
  watch: boolean;
  /** For how many days logs are kept; 0: somebody else sees to it. */
  logDays: number;
  shards: number;
  uploadMaxBytes: number;
  /** Ports to use instead of picked ones, by name (postgres, kinesis, s3, smtp, mail). */
  fixedPorts: Record<string, number>;
  /** Where the services are told that PostgreSQL, Kinesis, S3 and the mail server are: a fault proxy in front of the real one. */
  proxyPorts: Record<string, number>;
}

/** The folder that `make` was told, or .data in the checkout. */
export function dataFolder(environment: NodeJS.ProcessEnv): string {
  return path.resolve(ROOT, environment.DATA || '.data');
}

/** Reads what `make up` was told; a bad value is an error that names the variable. */
export function readSettings(environment: NodeJS.ProcessEnv): FleetSettings {
  return {
    data: dataFolder(environment),
    replicas: integer(environment, 'REPLICAS', 2, 1, 32),
    port: integer(environment, 'PORT', 8080, 0, 65535),
    tlsPort: integer(environment, 'TLS_PORT', 8443, 0, 65535),
    limits: onOff(environment, 'LIMITS', true),
    durable: onOff(environment, 'DURABLE', true),
    watch: onOff(environment, 'WATCH', false),
    logDays: integer(environment, 'LOG_DAYS', 14, 0, 3_650),
    shards: integer(environment, 'SHARDS', 4, 1, 64),
    uploadMaxBytes: integer(
      environment,
      'UPLOAD_MAX_BYTES',
      50 * 1024 * 1024,
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    fixedPorts: storePorts(environment, ''),
    proxyPorts: storePorts(environment, 'PROXY_'),
  };
}

function storePorts(environment: NodeJS.ProcessEnv, prefix: string): Record<string, number> {
  const stores = ['postgres', 'kinesis', 's3', 'smtp', 'mail'].map((store) => ({
    store,
    name: `${prefix}${store.toUpperCase()}_PORT`,
  }));
  return Object.fromEntries(
    stores.flatMap(({ store, name }) =>
      environment[name] ? [[store, integer(environment, name, 0, 1, 65535)]] : [],
    ),
  );
}

function integer(
  environment: NodeJS.ProcessEnv,
  name: string,
  fallback: number,
  least: number,
  most: number,
): number {
  const text = environment[name] || String(fallback);
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new FleetError(`${name}=${text}: it must be a whole number from ${least} to ${most}`);
  return value;
}

function onOff(environment: NodeJS.ProcessEnv, name: string, fallback: boolean): boolean {
  const text = environment[name] || (fallback ? 'on' : 'off');
  if (text !== 'on' && text !== 'off')
    throw new FleetError(`${name}=${text}: it must be on or off`);
  return text === 'on';
}
