import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../../errors.ts';
import { ensureNginx } from '../../nginx/ensure-nginx.ts';
import { nginxConfig } from '../../nginx/nginx-config.ts';
import { preparePages } from '../../nginx/prepare-pages.ts';
import { tlsCertificate } from '../../nginx/tls-certificate.ts';
import { initDatabase } from '../../postgres/init-database.ts';
import { postgresRuntime } from '../../postgres/unprivileged.ts';
import { ensureAuditKey } from './audit-key.ts';
import { type PortUse, requireFree } from './busy-port.ts';
import { fleetPlan } from './fleet-plan.ts';
import { portNames, replicaNames } from './replica-names.ts';
import { allowedOrigins } from './replica-processes.ts';
import type { Plan } from '../supervisor/plan.ts';
import { assignPorts } from './assign-ports.ts';
import { loadSecrets, readSecret } from './secrets.ts';
import type { FleetSettings } from '../settings.ts';
import { writeAtomically } from '../../write-atomically.ts';

export interface PreparedFleet {
  plan: Plan;
  /** The text of nginx.conf; write it when the fleet before has stopped. */
  gatewayConfig: string;
}

export interface Preparation {
  report(line: string): void;
  /** Process groups of the fleet that will be stopped: their ports count as free. */
  stopping?: ReadonlySet<number>;
}

/**
 * Prepares ports, nginx, certificate, secrets and the database folder. All that can fail before a
 * process starts fails here, and a running fleet of the same folder notices nothing.
 */
export async function prepareFleet(
  requested: FleetSettings,
  { report, stopping }: Preparation,
): Promise<PreparedFleet> {
  const settings = { ...requested };
  const { data } = settings;
  const certificate = tlsCertificate(path.join(data, 'tls'));
  if (!certificate)
    report('without TLS: install openssl for it (Debian and Ubuntu: apt-get install -y openssl)');
  const fixed = fixedPorts(settings, certificate !== undefined);
  requireDistinct(fixed);
  for (const { port, ...use } of fixed) await requireFree(port, use, stopping);
  await chooseGatewayPorts(settings, { fixed, stopping });
  const nginx = await ensureNginx(report);

  const postgres = postgresRuntime(path.join(data, 'postgres'));
  const { secrets, masterKeyFile, secretFiles } = loadSecrets(data, postgres.dataDir);
  const auditKeyFile = ensureAuditKey(data, settings.services.AUDIT_ORIGIN);
  if (!existsSync(path.join(postgres.dataDir, 'PG_VERSION')))
    report('creating the database (first start)');
  initDatabase(postgres, { password: secrets.postgres, durable: settings.durable });

  const ports = await assignPorts({
    data,
    names: portNames(settings.replicas),
    fixed: settings.fixedPorts,
    taken: [settings.port, settings.tlsPort],
    ...(stopping && { stopping }),
  });
  const plan = fleetPlan({
    settings,
    ports,
    secrets,
    masterKeyFile,
    secretFiles,
    auditKeyFile,
    postgres,
    nginx,
    ...(certificate ? { tlsPort: settings.tlsPort } : {}),
  });
  // As requested, without chosen ports: a later `make up` is compared with these.
  plan.settings = { ...requested };
  const secret = readSecret(secretFiles['gateway-secret']);
  return { plan, gatewayConfig: gatewayConfig(settings, { ports, certificate, secret }) };
}

interface FixedPort extends PortUse {
  port: number;
}

/** The ports that the settings name. */
function fixedPorts(settings: FleetSettings, hasTls: boolean): FixedPort[] {
  const { port, tlsPort, fixedPorts: stores } = settings;
  const howToChange = (name: string): string => `make up ${name}=...`;
  return [
    { port, what: 'the gateway', howToChange: howToChange('PORT') },
    ...(hasTls
      ? [{ port: tlsPort, what: 'the gateway with TLS', howToChange: howToChange('TLS_PORT') }]
      : []),
    ...Object.entries(stores).map(([name, store]) => ({
      port: store,
      what: name,
      howToChange: howToChange(`${name.toUpperCase()}_PORT`),
    })),
  ].filter((use) => use.port !== 0);
}

/** @throws FleetError when two settings name one port */
function requireDistinct(ports: readonly FixedPort[]): void {
  for (const [index, { port, what, howToChange }] of ports.entries()) {
    const other = ports.slice(0, index).find((earlier) => earlier.port === port);
    if (other)
      throw new FleetError(
        `Port ${port} is meant for ${other.what} and for ${what}. ` +
          `Choose another port for one of them: ${howToChange}`,
      );
  }
}

/** Chooses a port for the gateway where the settings have 0. */
async function chooseGatewayPorts(
  settings: FleetSettings,
  { fixed, stopping }: { fixed: readonly FixedPort[]; stopping: Preparation['stopping'] },
): Promise<void> {
  if (settings.port !== 0 && settings.tlsPort !== 0) return;
  const chosen = await assignPorts({
    data: settings.data,
    names: ['gateway', 'gateway-tls'],
    taken: fixed.map(({ port }) => port),
    ...(stopping && { stopping }),
  });
  settings.port ||= chosen.gateway ?? 0;
  settings.tlsPort ||= chosen['gateway-tls'] ?? 0;
}

interface GatewayParts {
  ports: Record<string, number>;
  certificate: { certificate: string; key: string } | undefined;
  /** What Nginx proves itself by to the services. */
  secret: string;
}

function gatewayConfig(
  settings: FleetSettings,
  { ports, certificate, secret }: GatewayParts,
): string {
  const dir = gatewayFolder(settings.data);
  const root = process.getuid?.() === 0;
  mkdirSync(path.join(dir, 'tmp'), { recursive: true, mode: 0o700 });
  const portsOf = (service: string): number[] =>
    replicaNames(settings.replicas)
      .filter((replica) => replica.service === service)
      .map(({ name }) => ports[name] ?? 0);
  return nginxConfig({
    dir,
    hosts: hasIpv6Loopback() ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'],
    port: settings.port,
    ...(certificate ? { tls: { port: settings.tlsPort, ...certificate } } : {}),
    upstreams: { user: portsOf('user'), file: portsOf('file'), audit: portsOf('audit') },
    s3Host: `127.0.0.1:${settings.proxyPorts.s3 ?? ports.s3 ?? 0}`,
    uploadMaxBytes: settings.uploadMaxBytes,
    limits: settings.limits,
    pages: preparePages(dir, { root }),
    corsOrigins: allowedOrigins({ settings, ...(certificate && { tlsPort: settings.tlsPort }) }),
    mailPage: `http://localhost:${ports.mail}`,
    root,
    secret,
  });
}

const gatewayFolder = (data: string): string => path.join(data, 'nginx');

/** Writes nginx.conf, which a running Nginx would read when it is restarted. */
export function writeGatewayConfig({ plan, gatewayConfig: text }: PreparedFleet): void {
  writeAtomically(path.join(gatewayFolder(plan.data), 'nginx.conf'), text);
}

function hasIpv6Loopback(): boolean {
  try {
    return (
      readFileSync('/proc/net/if_inet6', 'utf8').startsWith('0'.repeat(31) + '1') ||
      readFileSync('/proc/net/if_inet6', 'utf8').includes(`\n${'0'.repeat(31)}1`)
    );
  } catch {
    return false; // A kernel without IPv6.
  }
}
