import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { loadLogKeys } from '@muniment/audit-key';
import { parseVerifierKey } from '@muniment/audit-verify';
import { parseSharedSecret } from '@muniment/security';
import { test } from 'tap';
import {
  API_DOCUMENTS,
  DOCUMENTS,
  SWAGGER_UI,
} from '../packages/cluster/src/nginx/prepare-pages.ts';
import { V8_FLAGS } from '../packages/cluster/src/fleet/plan/v8-flags.ts';
import { parse } from 'yaml';
import { settings as auditSettings } from '../services/audit/config.ts';
import { settings as userSettings } from '../services/user/config.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const byName = (a: string, b: string): number => a.localeCompare(b);

interface Service {
  image?: string;
  build?: { target?: string };
  user?: string;
  init?: boolean;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  privileged?: boolean;
  network_mode?: string;
  restart?: string;
  stop_grace_period?: string;
  environment?: Record<string, string>;
  secrets?: string[];
  ports?: string[];
  networks?: string[] | Record<string, unknown>;
  volumes?: string[];
  logging?: { options?: Record<string, string> };
  healthcheck?: { disable?: boolean; test?: string[] };
  profiles?: string[];
  depends_on?: string[] | Record<string, { condition: string }>;
  deploy?: {
    replicas?: unknown;
    resources?: { limits?: { cpus?: string; memory?: string; pids?: number } };
  };
}
interface Compose {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean }>;
  volumes: Record<string, unknown>;
  secrets: Record<string, { file: string }>;
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const jobs = ['migrate', 'bucket'];

/** Dockerfile instructions, continuation lines joined, comments left out. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '');
const stages = new Map<string, string[]>();
for (const line of instructions) {
  const from = /^FROM \S+ AS (\S+)$/.exec(line)?.[1];
  if (from) stages.set(from, []);
  else [...stages.values()].at(-1)?.push(line);
}

/** An exact version: three numbers or a dated release, never a moving tag. */
const PINNED = /^[a-z0-9./-]+:(v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?|RELEASE\.[0-9TZ-]+)$/;

test('every container has an init, so that no signal of a stop is lost', (t) => {
  for (const [name, service] of services)
    t.equal(service.init, true, `${name} is not process 1 of its container`);
  t.end();
});

test('every container runs without root, capabilities, privileges or a writable root', (t) => {
  for (const [name, service] of services) {
    t.match(service.user, /^[1-9]\d*:\d+$/, `${name} has a user by number that is not root`);
    t.equal(service.read_only, true, `${name} is read-only`);
    t.same(service.cap_drop, ['ALL'], `${name} drops all capabilities`);
    t.same(service.security_opt, ['no-new-privileges:true'], `${name} gains no privileges`);
    t.notOk(service.privileged, `${name} is not privileged`);
    t.notOk(service.network_mode, `${name} has networks of its own`);
    t.notMatch(
      JSON.stringify(service.volumes ?? []),
      /docker\.sock/,
      `${name} has no socket of the engine`,
    );
  }
  t.end();
});

test('every container has limits of processor, memory and processes, and bounded logs', (t) => {
  for (const [name, service] of services) {
    const limits = service.deploy?.resources?.limits;
    t.ok(limits?.cpus && limits.memory && limits.pids, `${name} has limits`);
    t.ok(
      service.logging?.options?.['max-size'] && service.logging.options['max-file'],
      `${name} rotates its log`,
    );
  }
  t.end();
});

test('every base image and every foreign image has an exact version', (t) => {
  const bases = instructions.flatMap((line) => /^ARG [A-Z]+=(\S+)$/.exec(line)?.[1] ?? []);
  t.equal(bases.length, 3);
  for (const image of bases) t.match(image, PINNED);
  for (const [name, service] of services) {
    if (/^muniment-[a-z-]+:local$/.test(service.image ?? '')) continue;
    t.match(service.image, PINNED, `${name}: ${service.image ?? 'no image'}`);
  }
  for (const moving of ['node:latest', 'node', 'node:24', 'minio/minio', 'nginx:stable'])
    t.notMatch(moving, PINNED, `${moving} would not pass`);
  t.end();
});

test('the images run as a user, are health-checked and fetch nothing by ADD', (t) => {
  for (const stage of ['gateway', 'object-store', 'kinesis', 'service']) {
    const lines = stages.get(stage) ?? [];
    const users = lines.filter((line) => line.startsWith('USER '));
    t.match(users.at(-1), /^USER (node|[1-9]\d*:\d+)$/, `${stage} ends as a user`);
    t.ok(
      lines.some((line) => line.startsWith('HEALTHCHECK ')),
      `${stage} says how it is`,
    );
    const start =
      lines.find((line) => line.startsWith('ENTRYPOINT ')) ??
      lines.find((line) => line.startsWith('CMD '));
    t.match(
      start,
      /^(ENTRYPOINT|CMD) \[/,
      `${stage} starts without a shell around it: signals arrive`,
    );
  }
  t.notOk(
    instructions.some((line) => line.startsWith('ADD ')),
    'nothing is fetched by ADD',
  );
  t.notOk(
    instructions.some((line) => /\bsudo\b|curl [^|]*\|\s*sh|apt-get (?!install)/.test(line)),
    'nothing runs as it comes from the net',
  );
  t.notOk(
    instructions.some((line) => /^(ENV|ARG) \S*(PASSWORD|SECRET|TOKEN)/.test(line)),
    'no secret lies in a layer',
  );
  t.equal([...stages.keys()].at(-1), 'service', 'the default target is a service');
  t.end();
});

test('the images install from the lockfile, for production, without the root package', (t) => {
  const installs = instructions.filter((line) => line.includes('pnpm install'));
  t.equal(installs.length, 2);
  for (const line of installs)
    t.match(line, /--frozen-lockfile --prod --ignore-scripts --filter-prod/);
  const outside = ['packages/testing'];
  const manifests = ['packages', 'services']
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((folder) => statSync(join(root, folder), { throwIfNoEntry: false })?.isDirectory())
    .filter((folder) => !outside.includes(folder));
  for (const folder of manifests)
    t.ok(
      stages.get('workspace')?.includes(`COPY ${folder}/package.json ${folder}/`),
      `the manifest of ${folder} is copied`,
    );
  for (const folder of outside) t.notOk(read('Dockerfile').includes(folder), `no ${folder}`);
  const pnpm = (JSON.parse(read('package.json')) as { packageManager: string }).packageManager;
  t.ok(
    stages.get('workspace')?.some((line) => line.endsWith(` ${pnpm}`)),
    `the image has ${pnpm}`,
  );
  t.end();
});

test('only what an image needs is sent to the build', (t) => {
  const ignore = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  t.equal(ignore[0], '*');
  for (const pattern of ['packages/testing', 'packages/api-client', '**/node_modules', '**/test'])
    t.ok(ignore.includes(pattern), pattern);
  t.notOk(ignore.some((pattern) => /^!(\.|secrets|\.env|\.data)/.test(pattern)));
  const sent = ignore
    .filter((pattern) => pattern.startsWith('!'))
    .map((pattern) => pattern.slice(1));
  const copied = instructions
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
    .flatMap((line) => line.split(' ').slice(1, -1));
  // The last line that fits decides, so a folder may be left out of one that is sent.
  for (const file of copied) {
    const last = ignore.findLast((line) => {
      const pattern = line.replace(/^!/, '');
      return matchesGlob(file, pattern) || file.startsWith(`${pattern}/`);
    });
    t.match(last, /^!/, `${file} is sent`);
  }
  for (const file of sent)
    t.ok(statSync(join(root, file), { throwIfNoEntry: false }), `${file} exists`);
  t.end();
});

test('the gateway’s image has its pages and the documents that they link to', (t) => {
  const gateway = stages.get('gateway') ?? [];
  t.ok(gateway.includes('COPY nginx/pages /usr/share/muniment/pages'));
  const documents = gateway.find((line) => line.endsWith(' /usr/share/muniment/pages/docs/')) ?? '';
  t.same(
    documents.split(' ').slice(1, -1),
    DOCUMENTS.map((name) => `docs/${name}`),
  );
  t.ok(gateway.includes('COPY --from=api-pages /api-pages /usr/share/muniment/pages'));
  const made = (stages.get('api-pages') ?? []).join('\n');
  for (const name of [...API_DOCUMENTS, ...SWAGGER_UI]) t.match(made, name);
  t.match(read('docker/gateway/start.sh'), 'PAGES=${PAGES:-/usr/share/muniment/pages}');
  // In .dockerignore the last line that fits decides.
  const ignore = read('.dockerignore').split('\n');
  for (const name of DOCUMENTS)
    t.ok(ignore.indexOf(`!docs/${name}`) > ignore.indexOf('**/*.md'), `${name} is sent`);
  const environment = compose.services.gateway?.environment ?? {};
  t.equal(environment.CORS_ORIGINS, '${CORS_ORIGINS:-}');
  t.match(environment.MAIL_PAGE, /^http:\/\/localhost:/);
  t.end();
});

test('only the gateway listens beyond the loopback, and no data store reaches outside', (t) => {
  for (const [name, { ports = [], networks = [] }] of services) {
    for (const port of ports)
      if (name !== 'gateway')
        t.match(port, /^127\.0\.0\.1:/, `${name} publishes on the loopback only`);
    const joined = Array.isArray(networks) ? networks : Object.keys(networks);
    t.not(joined.length, 0, `${name} has a network`);
    if (['gateway', 'prometheus', 'grafana', 'mailpit'].includes(name)) continue;
    for (const network of joined)
      t.equal(
        compose.networks[network]?.internal,
        true,
        `${name} on ${network} reaches nothing outside`,
      );
  }
  t.end();
});

test("the services trust the gateway's address and no other", (t) => {
  const gateway = compose.services.gateway?.networks as Record<string, { ipv4_address?: string }>;
  for (const name of ['user', 'file', 'audit']) {
    t.equal(
      compose.services[name]?.environment?.TRUSTED_PROXIES,
      `${gateway.gateway?.ipv4_address ?? ''}/32`,
    );
    t.equal(
      compose.services[name]?.environment?.REPLICA,
      undefined,
      "replicas take their container's name: leases tell them apart by it",
    );
    t.match(compose.services[name]?.deploy?.replicas, /^\$\{REPLICAS:-2\}$/);
  }
  t.end();
});

/** Names of secrets, and of files that hold them. PASSWORD_PASSES and the like are numbers. */
const SECRET =
  /(PASSWORD|SECRET|TOKEN|CREDENTIALS|AUTH|KEY|KEY_ID|DATABASE_URL|OWNER_URL|ADMIN_URL|SMTP_URL|_USER)(_?_FILE)?$/;

test('secrets are declared files, and none is in the environment', (t) => {
  const used = new Set(services.flatMap(([, service]) => service.secrets ?? []));
  t.same([...used].toSorted(byName), Object.keys(compose.secrets).toSorted(byName));
  for (const [name, { environment = {}, secrets = [] }] of services) {
    for (const [variable, value] of Object.entries(environment)) {
      if (SECRET.test(variable)) {
        if (String(value).startsWith('/run/muniment/')) continue; // see the test of folders below
        t.match(String(value), /^\/run\/secrets\//, `${name} reads ${variable} from a file`);
        t.ok(
          secrets.includes(
            String(value)
              .slice('/run/secrets/'.length)
              .replace(/\.pem$/, ''),
          ),
          `${name} is given ${String(value)}`,
        );
      }
    }
  }
  t.end();
});

/** The master key on the host. */
const KEY_FILE = 'secrets/master/key';

test('keys that a rotation replaces are mounted by their folder, which shows the new file', (t) => {
  for (const name of ['user', 'file', 'audit']) {
    const { environment = {}, volumes = [] } = compose.services[name] ?? {};
    t.equal(environment.MASTER_KEY_FILE, '/run/muniment/master/key');
    t.ok(volumes.includes('./secrets/master:/run/muniment/master:ro'), `${name} only reads it`);
  }
  const { environment = {}, volumes = [], profiles = [] } = compose.services.keys ?? {};
  t.same(profiles, ['operator'], 'up never starts it');
  for (const file of [environment.MASTER_KEY_FILE, environment.AUDIT_KEY_FILE]) {
    const folder = /^\/run\/muniment\/([a-z]+)\/key$/.exec(file ?? '')?.[1] ?? 'none';
    t.ok(volumes.includes(`./secrets/${folder}:/run/muniment/${folder}`), `it writes ${folder}`);
  }
  t.end();
});

test('make-secrets.sh creates every secret for its owner only, and overwrites none', async (t) => {
  const folder = t.testdir({ docker: { 'make-secrets.sh': read('docker/make-secrets.sh') } });
  const run = (): void => void execFileSync('sh', [join(folder, 'docker/make-secrets.sh')]);
  const contents = (): string[] =>
    [...Object.values(compose.secrets).map(({ file }) => file), KEY_FILE].map((file) =>
      readFileSync(join(folder, file), 'utf8'),
    );
  run();
  const made = contents();
  t.equal(statSync(join(folder, 'secrets')).mode & 0o777, 0o700);
  for (const file of [...Object.values(compose.secrets).map((secret) => secret.file), KEY_FILE])
    t.equal(statSync(join(folder, file)).mode & 0o777, 0o444, file);
  t.equal(readFileSync(join(folder, 'secrets/.gitignore'), 'utf8'), '*\n', 'git never sees them');
  t.equal(Buffer.from(readFileSync(join(folder, KEY_FILE), 'utf8').trimEnd(), 'base64').length, 32);
  const { signers } = await loadLogKeys(join(folder, 'secrets/audit/key'), 'muniment.local/audit');
  t.same(
    signers.map(({ verifier }) => verifier.id),
    [parseVerifierKey(readFileSync(join(folder, 'secrets/audit/key.pub'), 'utf8').trimEnd()).id],
    "the log's keys belong together",
  );
  const secret = (name: string): string =>
    readFileSync(join(folder, 'secrets', name), 'utf8').trimEnd();
  for (const name of ['gateway_secret', 'metrics_token'])
    t.doesNotThrow(() => parseSharedSecret(secret(name), name));
  t.equal(secret('prometheus_token'), secret('metrics_token'));
  t.not(secret('gateway_secret'), secret('metrics_token'));
  t.equal(secret('smtp_url'), `smtp://${secret('mail_auth')}@mailpit:1025`);
  t.same(
    secret('kinesis_credentials').split('\n'),
    ['kinesis', 's3', 's3_audit'].map(
      (pair) => `${secret(`${pair}_access_key_id`)} ${secret(`${pair}_secret_access_key`)}`,
    ),
    'the stream knows the key pair of each service',
  );
  run();
  t.same(contents(), made);
});

/** Settings that are files themselves. */
const FILE_SETTINGS = new Set(
  Object.keys({ ...userSettings.properties, ...auditSettings.properties }).filter((name) =>
    name.endsWith('_FILE'),
  ),
);

test('start-service.sh reads every secret that a container gets as a file', (t) => {
  const script = read('docker/start-service.sh');
  for (const name of ['user', 'file', 'audit', 'migrate']) {
    for (const variable of Object.keys(compose.services[name]?.environment ?? {})) {
      if (!variable.endsWith('_FILE') || FILE_SETTINGS.has(variable)) continue;
      t.match(script, new RegExp(`\\b${variable.slice(0, -'_FILE'.length)}\\b`), variable);
    }
  }
  t.end();
});

test('containers run with the flags of local replicas, to which the compile cache belongs', (t) => {
  t.match(read('docker/start-service.sh'), `exec node ${V8_FLAGS.join(' ')} "services/`);
  t.end();
});

test('services wait for migrations and stores, and have time to stop', (t) => {
  for (const name of ['user', 'file', 'audit']) {
    const service = compose.services[name];
    t.match(service?.depends_on, {
      postgres: { condition: 'service_healthy' },
      migrate: { condition: 'service_completed_successfully' },
      kinesis: { condition: 'service_healthy' },
    });
    t.ok(
      parseInt(service?.stop_grace_period ?? '0', 10) > 30,
      `${name}: more than SHUTDOWN_TIMEOUT_MS`,
    );
  }
  for (const name of jobs) t.match(compose.services[name]?.restart, /^on-failure/);
  for (const [name, { healthcheck, build, image }] of services) {
    if (jobs.includes(name) || name === 'keys') continue;
    t.ok(
      healthcheck?.test ?? build ?? image?.startsWith('muniment-'),
      `${name} has a health check, here or in its image`,
    );
  }
  t.end();
});

test("the template's words are the ones that start.sh fills in", (t) => {
  const template = read('nginx/nginx.conf.template').replace(/^#.*$/gm, '');
  const wanted = new Set(
    [...template.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map(([, word = '']) => word),
  );
  const script = read('docker/gateway/start.sh');
  const filled = /^envsubst '([^']*)'/m.exec(script)?.[1]?.split(' ') ?? [];
  t.same(filled.map((word) => word.slice(2, -1)).toSorted(byName), [...wanted].toSorted(byName));
  t.end();
});

test("journald takes every container's log in the override", (t) => {
  const override = parse(read('docker/compose.journald.yml'), { merge: true }) as Compose;
  t.same(
    Object.keys(override.services).toSorted(byName),
    Object.keys(compose.services).toSorted(byName),
  );
  t.end();
});

test('dashboard and alerts ask only for metrics that the code has', (t) => {
  const sources = ['packages/server/src', 'services']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !/(^|\/)(node_modules|test)\//.test(file))
        .map((file) => read(`${folder}/${file}`)),
    )
    .join('\n');
  // Metrics that prom-client itself collects, by the names that replicas report.
  const standard = [
    'up',
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
    'nodejs_eventloop_lag_p99_seconds',
  ];
  const exists = (name: string): boolean =>
    standard.includes(name) || sources.includes(`'${name.replace(/_(count|bucket|sum)$/, '')}'`);
  const dashboard = JSON.parse(read('docker/grafana/dashboards/muniment.json')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  const alerts = parse(read('docker/prometheus/alerts.yml')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  const expressions = [
    ...dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => [title, expr] as const),
    ),
    ...alerts.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr] as const)),
  ];
  t.ok(expressions.length > 30);
  for (const [title, expression] of expressions) {
    const names =
      expression
        .replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(by|without) ?\([^)]*\)|"[^"]*"/g, ' ')
        .match(/\b[a-z][a-z0-9]*(_[a-z0-9]+)+\b|\bup\b/g) ?? [];
    const metrics = names.filter((name) => name !== 'histogram_quantile');
    t.not(metrics.length, 0, `${title} asks for something`);
    for (const metric of metrics) t.ok(exists(metric), `${title}: ${metric}`);
  }
  t.notOk(exists('muniment_outbox_row'), 'a misspelt name would be noticed');
  t.end();
});

test("prometheus scrapes all replicas of every service with its token, on the image's port", (t) => {
  const config = parse(read('docker/prometheus/prometheus.yml')) as {
    scrape_configs: {
      job_name: string;
      authorization?: { credentials_file?: string };
      dns_sd_configs?: { names: string[]; type: string; port: number }[];
    }[];
  };
  const port = Number(/\bPORT=(\d+)/.exec(stages.get('service')?.join(' ') ?? '')?.[1]);
  for (const name of ['user', 'file', 'audit']) {
    const job = config.scrape_configs.find(({ job_name }) => job_name === name);
    t.match(job?.dns_sd_configs, [{ names: [name], type: 'A', port }]);
    t.equal(job?.authorization?.credentials_file, '/run/secrets/prometheus_token');
    t.ok(compose.services[name]?.environment?.METRICS_TOKEN_FILE, `${name} asks for a token`);
  }
  t.end();
});
