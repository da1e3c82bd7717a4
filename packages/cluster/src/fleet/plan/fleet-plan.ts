import path from 'node:path';
import { ROOT } from '../settings.ts';
import type { Plan, ProcessSpec, TaskSpec } from '../supervisor/plan.ts';
import {
  adminUrl,
  AUDIT_BUCKET,
  BUCKET,
  type FleetParts,
  logOf,
  MAIL_USER,
  nodeCommand,
  portOf,
  smtpUrl,
  STREAM,
  systemEnvironment,
} from './fleet-parts.ts';
import { SERVICES } from './replica-names.ts';
import { replicaProcesses, serviceEnvironment } from './replica-processes.ts';
import { storeProcesses } from './store-processes.ts';

/** The whole fleet, as the supervisor runs it. */
export function fleetPlan(parts: FleetParts): Plan {
  const { settings } = parts;
  const { data, replicas } = settings;
  return {
    data,
    cwd: ROOT,
    settings: { ...settings },
    logDays: settings.logDays,
    logs: [path.join(data, 'nginx/access.log')],
    facts: fleetFacts(parts),
    stages: [
      {
        title: 'starting PostgreSQL, Kinesis, S3 and the mail catcher, updating the schema',
        processes: storeProcesses(parts),
        task: migrationTask(parts),
      },
      {
        title: `starting ${replicas} ${replicas === 1 ? 'replica' : 'replicas'} each of user, file and audit`,
        processes: replicaProcesses(parts),
      },
      { title: 'starting nginx', processes: [gatewayProcess(parts)] },
    ],
  };
}

function migrationTask(parts: FleetParts): TaskSpec {
  const passwords = Object.fromEntries(
    Object.entries(parts.secrets)
      .filter(([role]) => /^[a-z_]+$/.test(role))
      .map(([role, password]) => [`${role.toUpperCase()}_PASSWORD`, password]),
  );
  return {
    name: 'migration',
    command: nodeCommand('scripts/migrate.ts'),
    log: logOf(parts, 'migrate'),
    env: { ...systemEnvironment(), ...passwords, DATABASE_ADMIN_URL: adminUrl(parts, 'postgres') },
  };
}

function gatewayProcess(parts: FleetParts): ProcessSpec {
  const dir = path.join(parts.settings.data, 'nginx');
  const { port } = parts.settings;
  return {
    name: 'nginx',
    service: 'nginx',
    port,
    log: logOf(parts, 'nginx'),
    ready: { tcp: port },
    stopSignal: 'SIGQUIT',
    stopTimeout: 8_000,
    // It waits for sockets and streams, which the replicas end.
    drainMs: 2_000,
    command: [parts.nginx, '-p', `${dir}/`, '-c', path.join(dir, 'nginx.conf'), '-e', 'stderr'],
    env: systemEnvironment(),
  };
}

/** What fleet.json says beside the processes. Past any proxy. */
function fleetFacts(parts: FleetParts): Plan['facts'] {
  const { settings, secrets, tlsPort } = parts;
  return {
    development: settings.watch,
    gateway: {
      http: `http://localhost:${settings.port}`,
      https: tlsPort === undefined ? null : `https://localhost:${tlsPort}`,
    },
    postgres: { url: adminUrl(parts, 'muniment') },
    s3: {
      endpoint: `http://127.0.0.1:${portOf(parts, 's3')}`,
      bucket: BUCKET,
      auditBucket: AUDIT_BUCKET,
      accessKeyId: secrets.s3AccessKeyId,
      secretAccessKey: secrets.s3SecretAccessKey,
    },
    kinesis: {
      endpoint: `http://127.0.0.1:${portOf(parts, 'kinesis')}`,
      stream: STREAM,
      accessKeyId: secrets.s3AccessKeyId,
      secretAccessKey: secrets.s3SecretAccessKey,
    },
    mail: {
      page: `http://localhost:${portOf(parts, 'mail')}`,
      smtp: smtpUrl(parts, portOf(parts, 'smtp')),
      user: MAIL_USER,
      passwordFile: parts.secretFiles['mail-password'],
    },
    masterKeyFile: parts.masterKeyFile,
    auditKeyFile: parts.auditKeyFile,
    // For scripts that do a service's work beside it, on no fixed port.
    environments: Object.fromEntries(
      SERVICES.map((service) => [service, { ...serviceEnvironment(parts, service), PORT: '0' }]),
    ),
    logs: path.join(settings.data, 'logs'),
  };
}
