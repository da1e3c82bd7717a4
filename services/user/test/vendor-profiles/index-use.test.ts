import { sql, type RawBuilder } from 'kysely';
import { test } from 'tap';
import { build, type TestServer } from '../build.ts';
import { insertCrowd } from '../directory/crowd.ts';
import {
  selectProfiles,
  selectProfilesByCountry,
  selectProfilesByType,
  selectProfilesOfUsers,
} from '../../vendor-profiles/profile/vendor-profile-queries.ts';
import { selectSearchPage } from '../../vendor-profiles/search/profile-term-queries.ts';

const COUNT = 5_000;
/** `make test-long` says a million users, of whom one in twelve has a profile. */
const CROWD = Number(process.env['CROWD'] ?? 0);
const FOUND = CROWD
  ? { country: 'US', type: 'technology', words: ['deliver', 'group'] as const }
  : { country: 'IN', type: 'type 3', words: ['name', 'bulk'] as const };

/** Enough profiles that a scan of all would cost more; every other one is hidden. */
async function fill({ rows }: TestServer): Promise<void> {
  await rows(`
    insert into identity.users (id, type, status, email, email_key)
    select gen_random_uuid(), 'vendor', case when n % 2 = 0 then 'active' else 'suspended' end,
      'bulk-' || n, 'bulk-' || n from generate_series(1, ${COUNT}) n`);
  await rows(`
    insert into identity.vendor_profiles
      (id, user_id, business_type, business_name, country, country_code, working_days, payment_mode)
    select uuidv7(), id, 'Type ' || row_number() over () % 5, 'Name ' || email_key, 'India', 'IN',
      '{}', '{}' from identity.users`);
  await rows('analyze identity.users, identity.vendor_profiles, identity.vendor_profile_terms');
}

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Node[];
}

async function explain({ context }: TestServer, query: RawBuilder<unknown>): Promise<Node[]> {
  const { rows } = await sql<{ 'QUERY PLAN': [{ Plan: Node }] }>`
    explain (analyze, format json) ${query}`.execute(context.data.db);
  const flatten = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(flatten)];
  const [plan] = rows;
  if (!plan) throw new Error('PostgreSQL explained nothing');
  return flatten(plan['QUERY PLAN'][0].Plan);
}

test('no list or search reads a whole table, nor more rows than its bound', async (t) => {
  const server = await build(t);
  await (CROWD ? insertCrowd([server.rows], CROWD) : fill(server));
  const { db } = server.context.data;
  const users = await server.rows<{ id: string }>('select id from identity.users limit 50');
  const ids = users.map(({ id }) => id);
  const raw = (query: { compile(): { sql: string; parameters: readonly unknown[] } }) => {
    const { sql: text, parameters } = query.compile();
    const parts = text.split(/\$\d+/);
    return sql.join(
      parts.flatMap((part, index) =>
        index === 0 ? [sql.raw(part)] : [sql`${parameters[index - 1]}`, sql.raw(part)],
      ),
      sql``,
    );
  };
  for (const unlisted of [false, true]) {
    const page = { limit: 51, before: undefined, unlisted };
    const search = { after: undefined, limit: 51, unlisted };
    const queries: [string, RawBuilder<unknown>, number][] = [
      ['list', raw(selectProfiles(db, page)), 60],
      ['by country', raw(selectProfilesByCountry(db, FOUND.country, page)), 60],
      ['by type', raw(selectProfilesByType(db, FOUND.type, page)), 60],
      ['of a page of users', raw(selectProfilesOfUsers(db, ids)), 60],
      ['search', selectSearchPage({ ...search, words: [FOUND.words[0]] }), 2_000],
      ['search for two', selectSearchPage({ ...search, words: FOUND.words }), 2_000],
    ];
    for (const [name, query, bound] of queries) {
      const nodes = await explain(server, query);
      const scanned = nodes.filter((node) => node['Relation Name'] !== undefined);
      t.notOk(
        scanned.some((node) => node['Node Type'] === 'Seq Scan'),
        `${name}: by index`,
      );
      for (const node of scanned) {
        const read =
          (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
        t.ok(read <= bound, `${name}: ${node['Relation Name']} gives ${read} rows`);
      }
    }
  }
});
