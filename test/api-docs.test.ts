import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const exists = (file: string): boolean =>
  statSync(join(root, file), { throwIfNoEntry: false }) !== undefined;
const folders = (parent: string): string[] =>
  readdirSync(join(root, parent)).map((name) => `${parent}/${name}`);

/** The TypeScript files of the services, less their tests and migrations. */
const serviceFiles = readdirSync(join(root, 'services'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/(^|\/)(node_modules|test|migrations)\//.test(file))
  .map((file) => `services/${file}`);

const documentation = read('docs/api.md');
/** `code` → the statuses that its rows name. */
const documented = new Map<string, Set<number>>();
for (const [, code = '', statuses = ''] of documentation.matchAll(
  /^\| `([a-z_]+)` \| ([\d, ]+) \|/gm,
)) {
  const known = documented.get(code) ?? new Set();
  for (const status of statuses.split(', ')) known.add(Number(status));
  documented.set(code, known);
}

interface Coded {
  code: string;
  status?: number;
  from: string;
}

/** The catalogues' errors, less those that clients see as internal_error. */
function catalogued(): Coded[] {
  const files = [
    ...folders('packages').map((folder) => `${folder}/src/errors.ts`),
    ...folders('services').map((folder) => `${folder}/errors.ts`),
  ].filter(exists);
  return files
    .flatMap((from) =>
      [
        ...read(from).matchAll(
          /createError(?:<[^>]*>)?\(\s*'([a-z_]+)',\s*(?:'[^']*'|"[^"]*"),\s*(\d{3})/g,
        ),
      ].map(([, code = '', status]) => ({ code, status: Number(status), from })),
    )
    .filter(({ status }) => status < 500 || status === 503);
}

/** The product's names for Fastify's errors, and those of requests that it never sees. */
function rendered(): Coded[] {
  const from = 'packages/server/src/http/problem.ts';
  return [...read(from).matchAll(/'([a-z]+(?:_[a-z]+)+)'/g)].map(([, code = '']) => ({
    code,
    from,
  }));
}

function gateway(): Coded[] {
  const from = 'nginx/nginx.conf.template';
  const template = read(from);
  const fixed = [...template.matchAll(/"status":(\d{3}),.*?"code":"([a-z_]+)"/g)].map(
    ([, status, code = '']) => ({ code, status: Number(status), from }),
  );
  // A code that nginx chooses by a map: every value of the map is one.
  const chosen = [...template.matchAll(/"status":(\d{3}),.*?"code":"\$(\w+)"/g)].flatMap(
    ([, status, variable = '']) => {
      const map = new RegExp(`\\$${variable} \\{([^}]*)\\}`).exec(template)?.[1] ?? '';
      return [...map.matchAll(/([a-z]+(?:_[a-z]+)+);/g)].map(([, code = '']) => ({
        code,
        status: Number(status),
        from,
      }));
    },
  );
  return [...fixed, ...chosen];
}

test('every code that a client can see is documented with its status', (t) => {
  for (const [found, least] of [
    [catalogued(), 25],
    [rendered(), 15],
    [gateway(), 20],
  ] as const) {
    t.ok(
      found.length >= least,
      `${found.length} codes were found in ${found[0]?.from ?? 'nothing'} and the like`,
    );
    for (const { code, status, from } of found) {
      t.ok(documented.has(code), `${code} of ${from}`);
      if (status !== undefined)
        t.ok(documented.get(code)?.has(status), `${code} of ${from} with ${status}`);
    }
  }
  t.end();
});

test('no code is documented that nothing answers', (t) => {
  const known = new Set([...catalogued(), ...rendered(), ...gateway()].map(({ code }) => code));
  for (const code of documented.keys()) t.ok(known.has(code), code);
  t.end();
});

test('every route is documented with its permission', (t) => {
  const lines = documentation.split('\n').filter((line) => line.startsWith('| `'));
  let routes = 0;
  for (const file of serviceFiles) {
    const source = read(file);
    if (!source.includes("operation: '")) continue;
    const methods = /method: (\[[^\]]*\]|'[A-Z]+')/.exec(source)?.[1]?.match(/[A-Z]+/g) ?? [];
    const urls = (
      /(?:url: |for \(const url of )(\[[^\]]*\]|'[^']*')/.exec(source)?.[1]?.match(/'([^']*)'/g) ??
      []
    ).map((url) => url.slice(1, -1));
    const permission = /permission: '([^']+)'/.exec(source)?.[1];
    t.ok(methods.length > 0 && urls.length > 0, `${file} states a route`);
    for (const method of methods) {
      for (const url of urls) {
        const line = lines.find((row) => row.includes(`\`${method} ${url}\``));
        t.ok(
          line?.includes(permission === undefined ? '| public |' : `| \`${permission}\` |`),
          `${method} ${url} with ${permission ?? 'public'}`,
        );
        routes += 1;
      }
    }
  }
  t.ok(routes >= 20, `${routes} routes`);
  t.end();
});

test('every action that is recorded is documented', (t) => {
  const packageFiles = readdirSync(join(root, 'packages/server/src'), {
    recursive: true,
    encoding: 'utf8',
  })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `packages/server/src/${file}`);
  const sources = [...serviceFiles, ...packageFiles].map(read);
  const actions = new Set(
    sources.flatMap((source) =>
      [...source.matchAll(/action: (?:\w+ \? )?'([A-Z_]+)'(?: : '([A-Z_]+)')?/g)].flatMap(
        ([, one, other]) => [one, other].filter((action) => action !== undefined),
      ),
    ),
  );
  t.ok(actions.size >= 14);
  for (const action of actions) t.ok(documentation.includes(`\`${action}\``), action);
  t.end();
});
