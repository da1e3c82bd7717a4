import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'tap';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const byName = (a: string, b: string): number => a.localeCompare(b);

interface Compose {
  services: Record<string, { build?: { args?: { SERVICE?: string } }; image?: string }>;
}
const { services } = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const start = read('docker/start-service.sh');

/** `user admin` and the like: what an image can run besides its service. */
const commands = [...start.matchAll(/^ {2}'([a-z]+) ([a-z-]+)'\) exec node (\S+)/gm)]
  .map(([, image = '', command = '', script = '']) => ({ image, command, script }))
  .filter(({ command }) => command !== 'start');

/** The `service` stage's copied files, and the packages that it links for the scripts. */
const stage = read('Dockerfile').split(' AS service\n')[1] ?? '';
const copied = [...stage.matchAll(/^COPY ([a-z].*) \S+$/gm)].flatMap(([, files = '']) =>
  files.split(' '),
);
const linked = [
  ...(/for name in ([^;]+);/.exec(stage)?.[1] ?? '').split(' ').map((name) => `@muniment/${name}`),
  ...[...stage.matchAll(/ln -sfn \S+ ([a-z]+)$/gm)].map(([, name = '']) => name),
];
const sent = read('.dockerignore')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));

/** A script and the files of scripts/ that it imports, and the packages that these name. */
function closure(
  script: string,
  found = new Set<string>(),
): { files: Set<string>; bare: string[] } {
  found.add(script);
  const bare: string[] = [];
  for (const [, specifier = ''] of read(script).matchAll(/^(?:import|\} from) .*'([^']+)';$/gm)) {
    if (specifier.startsWith('node:')) continue;
    if (!specifier.startsWith('.')) {
      bare.push(specifier);
      continue;
    }
    const file = join(dirname(script), specifier);
    if (file.startsWith('scripts/') && !found.has(file)) bare.push(...closure(file, found).bare);
  }
  return { files: found, bare };
}

const holds = (list: readonly string[], file: string): boolean =>
  list.some((entry) => file === entry || file.startsWith(`${entry}/`));

test("every operator's command of the Makefile runs in a container too", (t) => {
  const local = [...read('Makefile').matchAll(/^([a-z-]+):.*\n\t.*node?\)? ?scripts\/.*$/gim)]
    .map(([, name = '']) => name)
    .filter((name) => /^(admin|auditor|restore|rotate-)/.test(name));
  const scripts = readdirSync(join(root, 'scripts/keys')).filter((name) =>
    name.startsWith('rotate-'),
  );
  const wanted = new Set([...local, ...scripts.map((name) => name.replace(/\.ts$/, ''))]);
  t.ok(wanted.size >= 7, [...wanted].join(' '));
  t.same(commands.map(({ command }) => command).toSorted(byName), [...wanted].toSorted(byName));
  t.end();
});

test('an image holds each command with all that it imports', (t) => {
  for (const { script } of commands) {
    const { files, bare } = closure(script);
    for (const file of files) {
      t.ok(existsSync(join(root, file)), `${file} exists`);
      t.ok(holds(copied, file), `${file} is copied`);
      t.ok(holds(sent, file), `${file} is sent to the build`);
    }
    for (const specifier of bare) {
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      t.ok(linked.includes(name), `${name} of ${script} is linked`);
    }
  }
  t.end();
});

test('run.md shows every command, with a service whose image has it', (t) => {
  const page = read('docs/operations/run.md');
  const shown = [
    ...page.matchAll(
      /docker compose run --rm(?: --no-deps)?(?: --user "[^"\n]+")? ([a-z]+) ([a-z-]+)/g,
    ),
  ].map(([, service = '', command = '']) => ({ service, command }));
  for (const { service, command } of shown) {
    const { build, image } = services[service] ?? {};
    const runs = build?.args?.SERVICE ?? /^muniment-([a-z]+):local$/.exec(image ?? '')?.[1];
    t.ok(
      commands.some((known) => known.image === runs && known.command === command),
      `${service} ${command}`,
    );
  }
  const names = new Set(shown.map(({ command }) => command));
  for (const { command } of commands) t.ok(names.has(command), `${command} is shown`);
  t.end();
});

test('an image refuses a command that it does not have', (t) => {
  const run = (service: string, words: string[]) =>
    spawnSync('sh', [join(root, 'docker/start-service.sh'), ...words], {
      cwd: t.testdir({}),
      encoding: 'utf8',
      env: { PATH: process.env.PATH, SERVICE: service, HOSTNAME: 'box' },
    });
  const foreign = run('file', ['admin', 'EMAIL=a@example.com']);
  t.equal(foreign.status, 2);
  t.match(foreign.stderr, /image of file has no command admin/);
  const word = run('user', ['admin', 'PATH=/tmp']);
  t.equal(word.status, 2, 'a word may set no other variable');
  t.match(word.stderr, /admin does not know PATH=\/tmp/);
  t.end();
});
