import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const exists = (file: string): boolean =>
  statSync(join(root, file), { throwIfNoEntry: false }) !== undefined;
const folders = (parent: string): string[] =>
  readdirSync(join(root, parent)).map((name) => `${parent}/${name}`);

/** The product's source files below a folder, without tests and migrations. */
const sourceFiles = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory())
      return ['test', 'migrations', 'node_modules'].includes(entry.name) ? [] : sourceFiles(path);
    return path.endsWith('.ts') ? [path] : [];
  });

interface Problem {
  allOf?: [object, { properties: { code: { const: string }; status: { enum: number[] } } }];
}
const openapi = JSON.parse(read('docs/openapi.json')) as {
  components: { schemas: Record<string, Problem> };
};

/** `code` → its statuses: of routes in openapi.json, of others in the tables of docs/api.md. */
const documented = new Map<string, Set<number>>();
const document = (code: string, statuses: number[]): void =>
  void documented.set(code, new Set([...(documented.get(code) ?? []), ...statuses]));
for (const { allOf } of Object.values(openapi.components.schemas)) {
  const { code, status } = allOf?.[1].properties ?? {};
  if (code?.const && status) document(code.const, status.enum);
}
for (const [, code = '', statuses = ''] of read('docs/api.md').matchAll(
  /^\| `([a-z0-9_]+)` \| ([\d, ]+) \|/gm,
))
  document(code, statuses.split(', ').map(Number));

interface Coded {
  code: string;
  status?: number;
  from: string;
}

/** The catalogues' errors, less those that clients see as internal_error. */
function catalogued(): Coded[] {
  return [...folders('packages').map((folder) => `${folder}/src`), ...folders('services')]
    .filter(exists)
    .flatMap(sourceFiles)
    .filter((file) => /[/-]errors\.ts$/.test(file))
    .flatMap((from) =>
      [
        ...read(from).matchAll(
          // A long sentence is several strings.
          /createError(?:<[^>]*>)?\(\s*'([a-z0-9_]+)',(?:[\s+]*(?:'[^']*'|"[^"]*"))+,\s*(\d{3})/g,
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

test('every action that is recorded is documented', (t) => {
  const actions = new Set(
    [...folders('services'), 'packages/server/src']
      .flatMap(sourceFiles)
      .flatMap((file) =>
        [...read(file).matchAll(/action: (?:\w+ \? )?'([A-Z_]+)'(?: : '([A-Z_]+)')?/g)].flatMap(
          ([, one, other]) => [one, other].filter((action) => action !== undefined),
        ),
      ),
  );
  t.ok(actions.size >= 30, `${actions.size} actions`);
  const documentation = read('docs/audit.md');
  for (const action of actions) t.ok(documentation.includes(`\`${action}\``), action);
  t.end();
});
