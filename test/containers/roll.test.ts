import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type Test } from 'tap';

const script = join(import.meta.dirname, '../../docker/roll.sh');

/**
 * A stand-in for Docker. Its containers are lines of the file `running`; `up` adds new-1, new-2 ...
 * `health` is what each new container says of itself.
 */
const docker = (dir: string, health: string): string => `#!/bin/sh
cd '${dir}'
echo "$*" >> calls
case "$*" in
  'compose ps '*) cat running ;;
  'compose up '*) echo "new-$(grep -c 'compose up' calls)" >> running ;;
  'inspect '*) echo '${health}' ;;
  'stop '*)
    for last in "$@"; do :; done
    grep -vx "$last" running > rest
    mv rest running ;;
  'rm --force '*)
    grep -vx "$3" running > rest
    mv rest running ;;
esac
exit 0
`;

interface Rolled {
  status: number | null;
  stderr: string;
  /** What changed something, in order. */
  changes: string[];
  running: string[];
}

function roll(t: Test, words: string[], { running = ['old-a', 'old-b'], health = 'healthy' } = {}) {
  const dir = t.testdir({ bin: {}, running: running.map((name) => `${name}\n`).join('') });
  writeFileSync(join(dir, 'bin/docker'), docker(dir, health));
  chmodSync(join(dir, 'bin/docker'), 0o755);
  const { status, stderr } = spawnSync('sh', [script, ...words], {
    encoding: 'utf8',
    env: { PATH: `${join(dir, 'bin')}:${process.env.PATH ?? ''}`, SEEN_S: '0', TIMEOUT_S: '1' },
  });
  const lines = (file: string): string[] => {
    const text = readFileSync(join(dir, file), { encoding: 'utf8', flag: 'a+' }).trimEnd();
    return text === '' ? [] : text.split('\n');
  };
  const rolled: Rolled = {
    status,
    stderr,
    changes: lines('calls').filter((call) => !/^(compose ps|inspect|logs) /.test(call)),
    running: lines('running'),
  };
  return rolled;
}

const ONE_MORE = 'compose up --detach --no-deps --no-recreate --scale file=3 file';

test('each old replica is stopped only after a new one is healthy', (t) => {
  const { status, stderr, changes, running } = roll(t, ['file']);
  t.equal(status, 0, stderr);
  t.same(changes, [
    'compose rm --force file',
    ONE_MORE,
    'stop -t 45 old-a',
    'rm old-a',
    ONE_MORE,
    'stop -t 45 old-b',
    'rm old-b',
  ]);
  t.same(running, ['new-1', 'new-2']);
  t.end();
});

test('a new replica that stays unhealthy is removed, and the old ones run on', (t) => {
  const { status, stderr, changes, running } = roll(t, ['file'], { health: 'unhealthy' });
  t.equal(status, 1);
  t.match(stderr, /did not become healthy in 1 s/);
  t.same(changes, ['compose rm --force file', ONE_MORE, 'rm --force new-1']);
  t.same(running, ['old-a', 'old-b']);
  t.end();
});

test('a service without a running replica is an error', (t) => {
  const { status, stderr, changes } = roll(t, ['audit'], { running: [] });
  t.equal(status, 1);
  t.match(stderr, /No replica of audit runs/);
  t.same(changes, ['compose rm --force audit']);
  t.end();
});

test('a service that is one container is refused before anything is replaced', (t) => {
  const { status, stderr, changes } = roll(t, ['user', 'gateway']);
  t.equal(status, 2);
  t.match(stderr, /gateway has one container only/);
  t.same(changes, []);
  t.end();
});

test('all services are rolled by default', (t) => {
  const { changes } = roll(t, [], { running: ['old'] });
  t.same(
    changes
      .filter((change) => change.startsWith('compose up'))
      .map((change) => change.split(' ').at(-1)),
    ['user', 'file', 'audit'],
  );
  t.end();
});
