import path from 'node:path';
import { FleetError } from '../errors.ts';
import { readServiceSettings } from './service-settings.ts';

export const ROOT = path.join(import.meta.dirname, '../../../..');

/** Names that can have a port of their own and a proxy in front. */
const STORES = ['postgres', 'kinesis', 's3', 'smtp', 'mail'] as const;

/** The settings of `make up` itself. */
export const FLEET_SETTINGS: readonly string[] = [
  'DATA',
  'REPLICAS',
  'PORT',
  'TLS_PORT',
  'LIMITS',
  'DURABLE',
  'WATCH',
  'LOG_DAYS',
  'SHARDS',
  'UPLOAD_MAX_BYTES',
  ...STORES.flatMap((store) => [
    `${store.toUpperCase()}_PORT`,
    `PROXY_${store.toUpperCase()}_PORT`,
  ]),
];

export interface FleetSettings {
  /** The data folder. */
  data: string;
  replicas: number;
  /** 0: a free port, the same at the next start. */
  port: number;
  tlsPort: number;
  limits: boolean;
  /** Whether PostgreSQL calls fsync; off is for tests only. */
  durable: boolean;
  /** Replicas restart when their source changes. */
  watch: boolean;
  /** Days that logs are kept; 0 leaves rotation to another program. */
  logDays: number;
  /** Shards of the Kinesis stream. */
  shards: number;
  uploadMaxBytes: number;
  /** Ports to use instead of free ones, by store name. */
  fixedPorts: Record<string, number>;
  /** Ports of fault proxies, by store name. The services connect to these. */
  proxyPorts: Record<string, number>;
  /** The services' own settings, by variable. */
  services: Record<string, string>;
}

/** The folder of DATA, or .data in the checkout. */
export function dataFolder(environment: NodeJS.ProcessEnv): string {
  return path.resolve(ROOT, environment.DATA || '.data');
}

/** Reads the settings of `make up`. @throws FleetError that names a bad variable */
export function readSettings(environment: NodeJS.ProcessEnv): FleetSettings {
  const integer = (name: string, range: IntegerRange): number =>
    readInteger(environment, name, range);
  return {
    data: dataFolder(environment),
    replicas: integer('REPLICAS', { fallback: 2, min: 1, max: 32 }),
    port: integer('PORT', { fallback: 8080, min: 0, max: 65_535 }),
    tlsPort: integer('TLS_PORT', { fallback: 8443, min: 0, max: 65_535 }),
    limits: readSwitch(environment, 'LIMITS', true),
    durable: readSwitch(environment, 'DURABLE', true),
    watch: readSwitch(environment, 'WATCH', false),
    logDays: integer('LOG_DAYS', { fallback: 14, min: 0, max: 3_650 }),
    shards: integer('SHARDS', { fallback: 4, min: 1, max: 64 }),
    uploadMaxBytes: integer('UPLOAD_MAX_BYTES', {
      fallback: 50 * 1024 * 1024,
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
    }),
    fixedPorts: readStorePorts(environment, ''),
    proxyPorts: readStorePorts(environment, 'PROXY_'),
    services: readServiceSettings(environment, path.join(ROOT, '.env.example')),
  };
}

function readStorePorts(environment: NodeJS.ProcessEnv, prefix: string): Record<string, number> {
  return Object.fromEntries(
    STORES.flatMap((store) => {
      const name = `${prefix}${store.toUpperCase()}_PORT`;
      return environment[name]
        ? [[store, readInteger(environment, name, { fallback: 0, min: 1, max: 65_535 })]]
        : [];
    }),
  );
}

interface IntegerRange {
  fallback: number;
  min: number;
  max: number;
}

function readInteger(
  environment: NodeJS.ProcessEnv,
  name: string,
  { fallback, min, max }: IntegerRange,
): number {
  const text = environment[name] || String(fallback);
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new FleetError(`${name}=${text} is invalid. Set a whole number from ${min} to ${max}.`);
  return value;
}

function readSwitch(environment: NodeJS.ProcessEnv, name: string, fallback: boolean): boolean {
  const text = environment[name] || (fallback ? 'on' : 'off');
  if (text !== 'on' && text !== 'off')
    throw new FleetError(`${name}=${text} is invalid. Set it to on or off.`);
  return text === 'on';
}
