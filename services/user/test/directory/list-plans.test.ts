import type { PluginTransformQueryArgs } from 'kysely';
import { test } from 'tap';
import type { TestServer } from '../build.ts';
import { build } from '../build.ts';
import { findHolders } from '../../import/import-queries.ts';
import { readUser } from '../../import/rows/read-user.ts';
import {
  countUsers,
  findPeopleAfter,
  findUserPage,
  type UserPage,
} from '../../users/directory-queries.ts';
import { findCandidates } from '../../users/search/find-candidates.ts';
import { insertCrowd } from './administrator.ts';

type Db = TestServer['context']['data']['db'];

/** The plans of the statements that `work` executes. */
async function plansOf(db: Db, work: (db: Db) => Promise<unknown>): Promise<string[]> {
  const nodes: PluginTransformQueryArgs[] = [];
  const watched = db.withPlugin({
    transformQuery(args) {
      nodes.push(args);
      return args.node;
    },
    transformResult: async ({ result }) => result,
  });
  await work(watched);
  const plans: string[] = [];
  for (const { node, queryId } of nodes) {
    const query = db.getExecutor().compileQuery(node, queryId);
    const { rows } = await db.executeQuery<{ 'QUERY PLAN': string }>({
      ...query,
      sql: `explain ${query.sql}`,
    });
    plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
  }
  return plans;
}

const FIRST: Omit<UserPage, 'filter'> = {
  order: 'created',
  descending: true,
  after: undefined,
  limit: 51,
};

test('no list, look-up, rare count or search reads its table in sequence', async (t) => {
  const server = await build(t);
  await insertCrowd(server);
  const { db } = server.context.data;
  const list = (page: Partial<UserPage>) => (on: Db) =>
    findUserPage(on, { ...FIRST, filter: {}, ...page });
  const after = ['2026-11-30 06:00:00+00', '01890000-0000-7000-8000-000000000000'];
  const batch = Array.from({ length: 250 }, (_, n) => {
    const external_id = `crm-${n}`;
    const proved = { phone: `+4930901${n}`, phone_verified: true, aws_cognito_id: external_id };
    const raw = { ...proved, email: `new-${n}@example.com`, external_id };
    return { ...readUser(raw), id: `01890000-0000-7000-8000-${String(n).padStart(12, '0')}` };
  });
  const work: Record<string, (on: Db) => Promise<unknown>> = {
    'the first page': list({}),
    'a later page': list({ after }),
    'oldest first': list({ descending: false, after }),
    'by address': list({ order: 'email', after: ['m@example.com', ''] }),
    'by last activity': list({ order: 'last_active', after: ['2026-03-01', after[1] ?? ''] }),
    'by type': list({ filter: { type: 'vendor' } }),
    'by a type that nobody has': list({ filter: { type: 'admin' } }),
    'by status': list({ filter: { status: 'suspended' }, after }),
    'by country': list({ filter: { country: 'DE' } }),
    'by a country that nobody has': list({ filter: { country: 'XX' } }),
    'created in a range': list({
      filter: { createdFrom: '2026-01-01T00:00:00Z', createdTo: '2026-01-02T00:00:00Z' },
    }),
    'active in a range': list({ filter: { activeFrom: '2026-01-01', activeTo: '2026-01-02' } }),
    'by ids': list({ filter: { ids: [after[1] ?? ''] } }),
    'by an exact address': list({ filter: { emailKey: 'person7@mail7.example' } }),
    'by a number': list({ filter: { phone: '+491700000007' } }),
    'by an external id': list({ filter: { externalId: 'ext-7' } }),
    'a page of an export': (on) => findPeopleAfter(on, after[1] ?? '', 500),
    'those in the way of an import': (on) => findHolders(on, batch),
    'a rare count': (on) => countUsers(on, { country: 'XX' }, 10_001),
    'a search for a beginning': (on) => findCandidates(on, 'person7'),
    'a search with a typo': (on) => findCandidates(on, 'parson77'),
    'a search for two words': (on) => findCandidates(on, 'ada name5'),
    'a search for an address': (on) => findCandidates(on, 'person7@mail7.example'),
    'a search for a number': (on) => findCandidates(on, '0170 0000007'),
    'a search for an id': (on) => findCandidates(on, after[1] ?? ''),
  };
  for (const [name, run] of Object.entries(work)) {
    const plans = await plansOf(db, run);
    t.ok(plans.length > 0, name);
    for (const plan of plans)
      t.notMatch(plan, /Seq Scan on (users|user_terms)/, `${name}\n${plan}`);
  }
});
