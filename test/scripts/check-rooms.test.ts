import { test, type Test } from 'tap';
import { checkRooms } from '../../scripts/check-rooms.ts';
import { findCycles } from '../../scripts/checks/find-cycles.ts';
import { readImports } from '../../scripts/checks/read-imports.ts';
import { readRegistrationOrder } from '../../scripts/checks/registration-order.ts';

const SERVICE = 'services/shop';
const ROUTE = "export const route = defineRoute({ method: 'GET' });\n";

/** Writes a tree of files, given by their paths, and checks it. */
function check(t: Test, files: Record<string, string>): string[] {
  const tree: Record<string, unknown> = {};
  for (const [path, content] of Object.entries(files)) {
    const folders = path.split('/');
    const name = folders.pop() ?? '';
    let folder = tree;
    for (const one of folders) folder = (folder[one] ??= {}) as Record<string, unknown>;
    folder[name] = content;
  }
  return checkRooms(t.testdir(tree as Parameters<Test['testdir']>[0]));
}

const shop = (files: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [`${SERVICE}/${path}`, text]));

test('a tree in order has no violation', async (t) => {
  const found = check(t, {
    ...shop({
      'server.ts': "import { buildApp } from './app.ts';\n",
      'app.ts': [
        "import { itemRoutes } from './items/routes.ts';",
        "import { orderRoutes } from './orders/routes.ts';",
        'app.register(itemRoutes);',
        'app.register(orderRoutes);',
        '',
      ].join('\n'),
      'context.ts': "import type { Item } from './items/item.ts';\n",
      'package.json': '{}',
      'items/routes.ts': "import { route } from './get-item.ts';\napp.route(route);\n",
      'items/get-item.ts': `import { find } from './item.ts';\n${ROUTE}`,
      'items/item.ts': "import type { Order } from '../orders/order.ts';\n",
      'orders/routes.ts': '',
      'orders/order.ts': "import { find } from '../items/item.ts';\n",
      'migrations/0001_shop.ts': '',
      'test/items/get-item.test.ts': "import { route } from '../../items/get-item.ts';\n",
    }),
    'packages/tool/src/index.ts': "export { one } from './one/one.ts';\n",
    'packages/tool/src/one/one.ts': '',
  });
  t.same(found, []);
});

test('a cycle between rooms is caught at its weakest arrow', async (t) => {
  const found = check(
    t,
    shop({
      'items/item.ts': "import { a } from '../orders/order.ts';\n",
      'items/price.ts': "import { a } from '../orders/order.ts';\n",
      'orders/order.ts': "import {\n  type B,\n  b,\n} from '../mail/mail.ts';\n",
      'orders/list.ts': "import { b } from '../mail/mail.ts';\n",
      'mail/mail.ts': "export { item } from '../items/item.ts';\n",
    }),
  );
  t.equal(found.length, 1);
  t.match(found[0], `${SERVICE}/mail/mail.ts: imports ${SERVICE}/items/item.ts`);
  t.match(found[0], 'items → orders → mail → items');
});

test('a cycle with a nested room, and one in a package, are caught', async (t) => {
  const found = check(t, {
    ...shop({
      'hooks/hook.ts': "import { send } from './delivery/send.ts';\n",
      'hooks/delivery/send.ts': "import { hook } from '../hook.ts';\n",
    }),
    'packages/tool/src/one/one.ts': "import '../two/two.ts';\n",
    'packages/tool/src/two/two.ts': "const one = await import('../one/one.ts');\n",
  });
  t.equal(found.length, 2);
  t.match(found[0], 'hooks → hooks/delivery → hooks');
  t.match(found[1], 'one → two → one');
});

test('imports of types alone make no cycle', async (t) => {
  const found = check(
    t,
    shop({
      'items/item.ts': "import type { Order } from '../orders/order.ts';\n",
      'orders/order.ts': "import { find } from '../items/item.ts';\n",
      'orders/list.ts': "import { type Item } from '../items/item.ts';\n",
    }),
  );
  t.same(found, []);
});

test('an import of a feature that app.ts registers later is caught', async (t) => {
  const found = check(
    t,
    shop({
      'app.ts': [
        "import { orderRoutes } from './orders/routes.ts';",
        "import { itemRoutes } from './items/routes.ts';",
        'await app.register(itemRoutes);',
        'await app.register(orderRoutes);',
        '',
      ].join('\n'),
      'items/routes.ts': '',
      'items/item.ts': "import { order } from '../orders/order.ts';\n",
      'orders/routes.ts': '',
      'orders/order.ts': '',
    }),
  );
  t.equal(found.length, 1);
  t.match(found[0], `${SERVICE}/items/item.ts: imports ${SERVICE}/orders/order.ts`);
  t.match(found[0], 'app.ts registers items before orders');
});

test('a route that imports a route is caught, even for a type', async (t) => {
  const found = check(
    t,
    shop({
      'items/get-item.ts': ROUTE,
      'items/list-items.ts': `import type { Item } from './get-item.ts';\n${ROUTE}`,
      'orders/list-orders.ts': "import { x } from '../items/get-item.ts';\napp.route({ x });\n",
    }),
  );
  t.equal(found.length, 2);
  t.match(found[0], `${SERVICE}/items/list-items.ts: imports the route`);
  t.match(found[1], `${SERVICE}/orders/list-orders.ts: imports the route`);
});

test("only a feature's own routes.ts and app.ts may import a route", async (t) => {
  const found = check(
    t,
    shop({
      'app.ts': "import { route } from './items/get-item.ts';\n",
      'maintenance.ts': "import { route } from './items/get-item.ts';\n",
      'items/get-item.ts': ROUTE,
      'items/routes.ts': "import { route } from './get-item.ts';\n",
      'orders/routes.ts': "import { route } from '../items/get-item.ts';\n",
      'orders/order.ts': "import { orderRoutes } from './routes.ts';\n",
    }),
  );
  t.same(
    found.map((violation) => violation.split(':')[0]),
    ['maintenance.ts', 'orders/order.ts', 'orders/routes.ts'].map((file) => `${SERVICE}/${file}`),
  );
});

test('a stray file at the top of a service is caught', async (t) => {
  const found = check(t, shop({ 'app.ts': '', 'prices.ts': '' }));
  t.equal(found.length, 1);
  t.match(found[0], `${SERVICE}/prices.ts: stands at the top of a service`);
});

test('a folder of more than fifteen files is caught, except migrations', async (t) => {
  const many = (folder: string): Record<string, string> =>
    Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`${folder}/file-${n}.ts`, '']));
  const found = check(t, {
    ...shop({ ...many('items'), ...many('migrations') }),
    ...many('packages/tool/src'),
    ...many('packages/tool/test'),
  });
  t.equal(found.length, 2);
  t.match(found[0], `${SERVICE}/items: holds 16 files`);
  t.match(found[1], 'packages/tool/src: holds 16 files');
});

test('imports are read in all their forms, and not from comments', async (t) => {
  const source = [
    "import one, { two } from './a.ts';",
    "import * as three from './b.ts';",
    "import type { Four } from './c.ts';",
    "import { type Five, type Six } from './d.ts';",
    "import type from './e.ts';",
    "export { seven } from './f.ts';",
    "export const eight = 'not from this';",
    "// import { nine } from './g.ts';",
    "import './h.ts';",
    "  await import('./i.ts');",
  ].join('\n');
  t.same(
    readImports(source).map(({ specifier, isTypeOnly }) => [specifier, isTypeOnly]),
    [
      ['./a.ts', false],
      ['./b.ts', false],
      ['./c.ts', true],
      ['./d.ts', true],
      ['./e.ts', false],
      ['./f.ts', false],
      ['./h.ts', false],
      ['./i.ts', false],
    ],
  );
});

test('features are ordered by their first use in app.ts', async (t) => {
  const app = [
    "import { a } from './first/routes.ts';",
    "import { b, c } from './second/routes.ts';",
    "import { d } from './third/routes.ts';",
    'c(server);',
    'a(server);',
    'b(server);',
  ].join('\n');
  t.same(readRegistrationOrder(app), ['second', 'first']);
});

test('each cycle is found once', async (t) => {
  const graph = new Map([
    ['a', new Set(['b', 'c'])],
    ['b', new Set(['a'])],
    ['c', new Set(['d'])],
    ['d', new Set(['a', 'e'])],
  ]);
  t.same(findCycles(graph), [
    ['a', 'b'],
    ['a', 'c', 'd'],
  ]);
});
