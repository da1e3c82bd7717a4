import path from 'node:path';
import type { PostgresRuntime } from '../../postgres/unprivileged.ts';
import { type FleetSettings, ROOT } from '../settings.ts';
import { readSecret, type SecretFiles, type Secrets } from './secrets.ts';

export const STREAM = 'audit-events';
/** The one user of the mail catcher. */
export const MAIL_USER = 'muniment';
export const BUCKET = 'muniment-files';
export const AUDIT_BUCKET = 'muniment-audit';
/** Database connections of a replica's pool. */
export const POOL_MAX = 10;

/** Everything that must exist before a plan can be made. */
export interface FleetParts {
  settings: FleetSettings;
  ports: Record<string, number>;
  secrets: Secrets;
  masterKeyFile: string;
  secretFiles: SecretFiles;
  /** The file with the log's signing key. */
  auditKeyFile: string;
  postgres: PostgresRuntime;
  /** The nginx program. */
  nginx: string;
  /** Absent: no TLS. */
  tlsPort?: number;
}

export function portOf({ ports }: FleetParts, name: string): number {
  return ports[name] ?? 0;
}

/** The port that the services connect to: in fault tests that of a proxy. */
export function servicePortOf(parts: FleetParts, name: string): number {
  return parts.settings.proxyPorts[name] ?? portOf(parts, name);
}

/** Where mails are sent, with credentials. */
export function smtpUrl({ secretFiles }: FleetParts, port: number): string {
  return `smtp://${MAIL_USER}:${readSecret(secretFiles['mail-password'])}@127.0.0.1:${port}`;
}

export function logOf({ settings }: FleetParts, name: string): string {
  return path.join(settings.data, 'logs', `${name}.log`);
}

/** A PostgreSQL URL past any proxy, for the plan's own tools. */
export function adminUrl(parts: FleetParts, database: string): string {
  return databaseUrl(parts, 'postgres', { database, port: portOf(parts, 'postgres') });
}

/** A PostgreSQL URL for a service's role. */
export function serviceUrl(parts: FleetParts, role: keyof Secrets): string {
  return databaseUrl(parts, role, { database: 'muniment', port: servicePortOf(parts, 'postgres') });
}

function databaseUrl(
  { secrets }: FleetParts,
  role: keyof Secrets,
  { database, port }: { database: string; port: number },
): string {
  return `postgres://${role}:${secrets[role]}@127.0.0.1:${port}/${database}`;
}

/** The command that runs a script of the checkout. */
export function nodeCommand(file: string): string[] {
  return [process.execPath, path.join(ROOT, file)];
}

const SYSTEM_VARIABLES =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR)$/;

/** What a process needs of its system. The rest stays out: a shell may hold foreign secrets. */
export function systemEnvironment(): Record<string, string> {
  const variables = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && SYSTEM_VARIABLES.test(entry[0]),
  );
  return {
    ...Object.fromEntries(variables),
    // Compiled code halves the time until a killed replica is ready. `make bootstrap` fills it.
    NODE_COMPILE_CACHE:
      process.env['NODE_COMPILE_CACHE'] ?? path.join(ROOT, '.tools/compile-cache'),
  };
}
