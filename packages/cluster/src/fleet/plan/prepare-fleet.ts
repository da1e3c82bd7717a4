import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ensureNginx } from '../../nginx/ensure-nginx.ts';
import { nginxConfig } from '../../nginx/nginx-config.ts';
import { preparePages } from '../../nginx/prepare-pages.ts';
import { tlsCertificate } from '../../nginx/tls-certificate.ts';
import { initDatabase } from '../../postgres/init-database.ts';
import { postgresRuntime } from '../../postgres/unprivileged.ts';
import { ensureAuditKey } from './audit-key.ts';
import { requireFree } from './busy-port.ts';
import { fleetPlan } from './fleet-plan.ts';
import { portNames, replicaNames } from './replica-names.ts';
import type { Plan } from '../supervisor/plan.ts';
import { assignPorts } from './assign-ports.ts';
import { loadSecrets, readSecret } from './secrets.ts';
import type { FleetSettings } from '../settings.ts';
import { writeAtomically } from '../../write-atomically.ts';

/** Prepares ports, nginx, certificate, secrets and the database folder, and returns the plan. */
export async function prepareFleet(
  requested: FleetSettings,
  report: (line: string) => void,
): Promise<Plan> {
  const settings = { ...requested };
  const { data } = settings;
  if (settings.port !== 0) await requireFree(settings.port, 'the gateway', 'make up PORT=...');
  const chosen =
    settings.port === 0 || settings.tlsPort === 0
      ? await assignPorts(data, ['gateway', 'gateway-tls'])
      : {};
  settings.port ||= chosen.gateway ?? 0;
  const nginx = await ensureNginx(report);

  const certificate = tlsCertificate(path.join(data, 'tls'));
  if (!certificate)
    report('without TLS: install openssl for it (Debian and Ubuntu: apt-get install -y openssl)');
  else if (settings.tlsPort !== 0)
    await requireFree(settings.tlsPort, 'the gateway with TLS', 'make up TLS_PORT=...');
  settings.tlsPort ||= chosen['gateway-tls'] ?? 0;

  const postgres = postgresRuntime(path.join(data, 'postgres'));
  const { secrets, masterKeyFile, secretFiles } = loadSecrets(data, postgres.dataDir);
  const auditKeyFile = ensureAuditKey(data, settings.services.AUDIT_ORIGIN);
  if (!existsSync(path.join(postgres.dataDir, 'PG_VERSION')))
    report('creating the database (first start)');
  initDatabase(postgres, { password: secrets.postgres, durable: settings.durable });

  for (const [name, port] of Object.entries(settings.fixedPorts))
    await requireFree(port, name, `${name.toUpperCase()}_PORT=...`);
  const ports = await assignPorts(data, portNames(settings.replicas), settings.fixedPorts);
  writeGatewayConfig(settings, {
    ports,
    certificate,
    secret: readSecret(secretFiles['gateway-secret']),
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
  return plan;
}

interface GatewayParts {
  ports: Record<string, number>;
  certificate: { certificate: string; key: string } | undefined;
  /** What Nginx proves itself by to the services. */
  secret: string;
}

function writeGatewayConfig(
  settings: FleetSettings,
  { ports, certificate, secret }: GatewayParts,
): void {
  const dir = path.join(settings.data, 'nginx');
  const root = process.getuid?.() === 0;
  mkdirSync(path.join(dir, 'tmp'), { recursive: true, mode: 0o700 });
  const portsOf = (service: string): number[] =>
    replicaNames(settings.replicas)
      .filter((replica) => replica.service === service)
      .map(({ name }) => ports[name] ?? 0);
  const config = nginxConfig({
    dir,
    hosts: hasIpv6Loopback() ? ['127.0.0.1', '[::1]'] : ['127.0.0.1'],
    port: settings.port,
    ...(certificate ? { tls: { port: settings.tlsPort, ...certificate } } : {}),
    upstreams: { user: portsOf('user'), file: portsOf('file'), audit: portsOf('audit') },
    s3Host: `127.0.0.1:${settings.proxyPorts.s3 ?? ports.s3 ?? 0}`,
    uploadMaxBytes: settings.uploadMaxBytes,
    limits: settings.limits,
    pages: preparePages(dir, { root }),
    corsOrigins: settings.services.CORS_ORIGINS ?? '',
    mailPage: `http://localhost:${ports.mail}`,
    root,
    secret,
  });
  writeAtomically(path.join(dir, 'nginx.conf'), config);
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
