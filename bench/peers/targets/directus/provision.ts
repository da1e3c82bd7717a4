import { textAt } from '../../load/checks.ts';
import type { Client } from '../../load/client.ts';
import { emailOf, PASSWORD, WORKERS } from '../target-spec.ts';
import { signIn } from './directus-spec.ts';

const PERMISSIONS: Record<string, string[]> = {
  directus_files: ['create', 'read'],
  directus_users: ['read'],
  bench_items: ['read', 'update'],
  directus_activity: ['read'],
};

/** Changes of these rows are recorded in Directus' activity log. */
const COLLECTION = {
  collection: 'bench_items',
  meta: { accountability: 'all' },
  schema: {},
  fields: [
    {
      field: 'id',
      type: 'integer',
      meta: { hidden: true },
      schema: { is_primary_key: true, has_auto_increment: true },
    },
    { field: 'title', type: 'string', schema: {} },
    { field: 'note', type: 'text', schema: {} },
  ],
};

/** Creates the collection, the role and the users. */
export async function provisionDirectus(
  client: Client,
  admin: { email: string; password: string },
): Promise<void> {
  const headers = await signIn(client, admin);
  const post = (path: string, json: unknown) => client.json('POST', path, { headers, json });
  await post('/collections', COLLECTION);
  const policy = textAt(
    await post('/policies', { name: 'bench', admin_access: false, app_access: false }),
    'data',
    'id',
  );
  const policies = { create: [{ policy }], update: [], delete: [] };
  const role = textAt(await post('/roles', { name: 'bench', policies }), 'data', 'id');
  for (const [collection, actions] of Object.entries(PERMISSIONS))
    for (const action of actions)
      await post('/permissions', { policy, collection, action, fields: ['*'] });
  for (let worker = 0; worker <= WORKERS; worker += 1) {
    const name = { first_name: 'Bench', last_name: String(worker) };
    await post('/users', { email: emailOf(worker), password: PASSWORD, role, ...name });
    await post('/items/bench_items', { title: 'v0', note: `item of ${worker}` });
  }
}
