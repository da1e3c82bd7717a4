import { availableParallelism } from 'node:os';
import path from 'node:path';
import { test } from 'tap';
import { fleetPlan } from '../../../src/fleet/plan/fleet-plan.ts';
import { portNames } from '../../../src/fleet/plan/replica-names.ts';
import { loadSecrets } from '../../../src/fleet/plan/secrets.ts';
import { readSettings } from '../../../src/fleet/settings.ts';
import { folder } from '../fake-fleet.ts';

function planFor(data: string, environment: NodeJS.ProcessEnv = {}): ReturnType<typeof fleetPlan> {
  const settings = readSettings({ ...environment, DATA: data });
  const ports = Object.fromEntries(
    portNames(settings.replicas).map((name, index) => [name, 20_001 + index]),
  );
  return fleetPlan({
    settings,
    ports,
    auditKeyFile: '/data/audit-key',
    ...loadSecrets(data, path.join(data, 'postgres')),
    postgres: { native: '/native', dataDir: path.join(data, 'postgres'), prefix: [] },
    nginx: '/usr/sbin/nginx',
    tlsPort: 8443,
  });
}

test('stores start first, then the replicas, nginx last; names and ports are unique', (t) => {
  const plan = planFor(folder(t), { REPLICAS: '3' });
  t.same(
    plan.stages.map(({ processes }) => processes.map(({ name }) => name)),
    [
      ['postgres', 'kinesis', 's3', 'mail'],
      ['user-1', 'user-2', 'user-3', 'file-1', 'file-2', 'file-3', 'audit-1', 'audit-2', 'audit-3'],
      ['nginx'],
    ],
  );
  const all = plan.stages.flatMap(({ processes }) => processes);
  t.equal(new Set(all.map(({ port }) => port)).size, all.length);
  t.equal(plan.stages[0]?.task?.name, 'migration');
  t.end();
});

test('every loopback address of the gateway is an own page, unless it is public', (t) => {
  const originsOf = (environment: NodeJS.ProcessEnv): string | undefined =>
    planFor(folder(t), environment).stages[1]!.processes[0]!.env.CORS_ORIGINS;
  const local = [
    'http://localhost:8080',
    'https://localhost:8443',
    'http://127.0.0.1:8080',
    'https://127.0.0.1:8443',
  ].join(',');
  t.equal(originsOf({}), local);
  t.equal(originsOf({ CORS_ORIGINS: 'http://localhost:5173' }), `${local},http://localhost:5173`);
  t.equal(originsOf({ PUBLIC_URL: 'https://api.example' }), '');
  t.end();
});

test("the fleet's PostgreSQL is durable and has connections for every pool", (t) => {
  const words = (environment: Record<string, string>): string =>
    planFor(folder(t), environment).stages[0]!.processes[0]!.command.join(' ');
  t.match(words({}), /fsync=on .*synchronous_commit=on .*full_page_writes=on/);
  t.match(words({ DURABLE: 'off' }), /fsync=off/);
  t.ok(Number(/max_connections=(\d+)/.exec(words({ REPLICAS: '10' }))?.[1]) >= 10 * 3 * 14);
  t.end();
});

test("a replica gets its role and settings, and nothing else of the developer's shell", (t) => {
  process.env.AWS_PROFILE = 'production';
  process.env.PGHOST = 'production.example';
  process.env.CI_DEPLOY_TOKEN = 'secret';
  t.teardown(() =>
    ['AWS_PROFILE', 'PGHOST', 'CI_DEPLOY_TOKEN'].forEach((name) => delete process.env[name]),
  );
  const data = folder(t);
  const { secrets } = loadSecrets(data, path.join(data, 'postgres'));
  const plan = planFor(data, { ...process.env, ACCESS_TOKEN_TTL_S: '60' });
  for (const { name, service, env } of plan.stages[1]!.processes) {
    t.match(env, {
      HOST: '127.0.0.1',
      REPLICA: name,
      ACCESS_TOKEN_TTL_S: '60',
      GATEWAY_SECRET_FILE: path.join(data, 'secrets/gateway-secret'),
      METRICS_TOKEN_FILE: path.join(data, 'secrets/metrics-token'),
      DATABASE_URL: new RegExp(`^postgres://${service}_service:`),
    });
    t.same([env.AWS_PROFILE, env.PGHOST, env.CI_DEPLOY_TOKEN], [undefined, undefined, undefined]);
    for (const secret of [secrets.postgres, secrets.migrator])
      t.notOk(JSON.stringify(env).includes(secret));
  }
  t.notOk(
    Object.values(secrets).some((secret) => JSON.stringify(plan.stages[2]).includes(secret)),
    'nginx gets no secret',
  );
  t.end();
});

test('services connect to proxies; the migration and fleet.json have the real ports', (t) => {
  const plan = planFor(folder(t), {
    PROXY_POSTGRES_PORT: '7001',
    PROXY_KINESIS_PORT: '7002',
    PROXY_S3_PORT: '7003',
    PROXY_SMTP_PORT: '7004',
  });
  const file = plan.stages[1]!.processes.find(({ name }) => name === 'file-1')!;
  t.match(file.env, {
    DATABASE_URL: /:7001\//,
    KINESIS_ENDPOINT: 'http://127.0.0.1:7002',
    S3_ENDPOINT: 'http://127.0.0.1:7003',
  });
  const user = plan.stages[1]!.processes.find(({ name }) => name === 'user-1')!;
  t.match(user.env, { SMTP_URL: /^smtp:\/\/muniment:[\w-]{43}@127\.0\.0\.1:7004$/ });
  t.equal(file.env.SMTP_URL, undefined, 'only the user service gets a mail server');
  t.match(plan.stages[0]!.task?.env, { DATABASE_ADMIN_URL: /:20001\// });
  t.match(plan.facts, {
    postgres: { url: /:20001\// },
    kinesis: { endpoint: /:20002$/ },
    s3: { endpoint: /:20003$/ },
    environments: { file: { S3_ENDPOINT: 'http://127.0.0.1:7003' } },
  });
  t.end();
});

test('replicas of the user service share the cores for password hashes', (t) => {
  const concurrencyOf = (environment: NodeJS.ProcessEnv): string[] =>
    planFor(folder(t), environment)
      .stages.flatMap(({ processes }) => processes)
      .flatMap(({ service, env }) =>
        service === 'user' ? [String(env.PASSWORD_CONCURRENCY)] : [],
      );
  const cores = availableParallelism();
  t.strictSame(concurrencyOf({ REPLICAS: '1' }), [String(cores)]);
  t.strictSame(concurrencyOf({ REPLICAS: '2' }), Array(2).fill(`${Math.max(1, cores >> 1)}`));
  t.strictSame(
    new Set(concurrencyOf({ REPLICAS: '9' })),
    new Set([`${Math.max(1, Math.floor(cores / 9))}`]),
  );
  t.strictSame(concurrencyOf({ REPLICAS: '1', PASSWORD_CONCURRENCY: '3' }), ['3'], "the caller's");
  t.end();
});
