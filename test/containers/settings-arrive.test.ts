import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Compose {
  services: Record<string, { environment?: Record<string, string>; volumes?: string[] }>;
}
const { services } = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const reference = read('docs/operations/settings.md');

const SERVICES = ['user', 'file', 'audit'] as const;

/** The settings of one part of the reference, by its heading. */
function settingsUnder(heading: string): string[] {
  const [, part = ''] = reference.split(`### ${heading}\n`);
  return [...(part.split('\n### ')[0] ?? '').matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(
    ([, name = '']) => name,
  );
}

const documented = (service: string): string[] => [
  ...settingsUnder('All services'),
  ...settingsUnder(`${service.charAt(0).toUpperCase()}${service.slice(1)} service`),
];

/** What docker-compose.yml decides itself, by the reference's own words. */
const fixed = new Set(
  [
    ...(/^It sets these itself:((?:.+\n)+)/m.exec(reference)?.[1] ?? '').matchAll(
      /`([A-Z0-9_]+)`/g,
    ),
  ].map(([, name = '']) => name),
);

/** Set in the image or by its start script. */
const IN_THE_IMAGE = ['HOST', 'PORT', 'REPLICA'];

test('every documented setting arrives at each service that has it', (t) => {
  for (const service of SERVICES) {
    const { environment = {} } = services[service] ?? {};
    const names = documented(service);
    t.ok(names.length > 35, `${service} has ${names.length} settings`);
    for (const name of names) {
      if (fixed.has(name)) continue;
      t.ok(
        environment[name]?.startsWith(`\${${name}:-`),
        `${name} arrives at ${service}: ${environment[name] ?? 'absent'}`,
      );
    }
  }
  t.end();
});

test('what docker-compose.yml sets itself is documented, and set', (t) => {
  t.ok(fixed.size > 10, `${fixed.size} are named`);
  const all = new Set(SERVICES.flatMap(documented));
  for (const name of fixed) {
    t.ok(all.has(name), `${name} is a setting`);
    if (IN_THE_IMAGE.includes(name) || name === 'DATABASE_DIRECT_URL') continue;
    const holders = SERVICES.filter((service) => documented(service).includes(name));
    for (const service of holders) {
      const { environment = {} } = services[service] ?? {};
      const value = environment[name] ?? environment[`${name}_FILE`];
      t.ok(value !== undefined, `${name} is set for ${service}`);
      t.notMatch(value, /\$\{/, `${name} of ${service} is not taken from outside`);
    }
  }
  t.end();
});

test('a service is given no variable that it does not know', (t) => {
  for (const service of SERVICES) {
    const names = new Set(documented(service));
    for (const variable of Object.keys(services[service]?.environment ?? {}))
      t.ok(
        names.has(variable) || names.has(variable.replace(/_FILE$/, '')),
        `${variable} of ${service} is in the reference`,
      );
  }
  t.end();
});

test('the gateway gets what it shares with the services', (t) => {
  const { environment = {} } = services.gateway ?? {};
  for (const name of ['LIMITS', 'UPLOAD_MAX_BYTES'])
    t.equal(environment[name], services.file?.environment?.[name], name);
  t.end();
});

test('a folder of mail texts is mounted where the user service looks for it', (t) => {
  const { environment = {}, volumes = [] } = services.user ?? {};
  const folder = environment.MAIL_LANGUAGES_DIR ?? 'absent';
  t.ok(
    volumes.some(
      (volume) => volume.startsWith('${MAIL_LANGUAGES_DIR:-') && volume.endsWith(`:${folder}:ro`),
    ),
  );
  t.end();
});

test('every secret setting may come as a file', (t) => {
  const script = read('docker/start-service.sh');
  const secrets = [...reference.matchAll(/^\| `([A-Z0-9_]+)` \|.* Secret\. \|$/gm)].map(
    ([, name = '']) => name,
  );
  t.ok(secrets.length > 5, `${secrets.length} are secret`);
  for (const name of secrets) t.match(script, new RegExp(`[ (]${name}\\b`), name);
  t.end();
});
