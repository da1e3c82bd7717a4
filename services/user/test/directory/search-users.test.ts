import { test, type Test } from 'tap';
import { build, type TestServer } from '../build.ts';
import { findCandidates } from '../../users/search/find-candidates.ts';
import { findUsersByTerms } from '../../users/search/search-queries.ts';
import { insertPeople, registerAs } from './administrator.ts';

interface Found {
  data: { id: string; first_name: string | null; email: string }[];
  next_cursor: string | null;
  count: { count: number; relation: string };
}

const PEOPLE = [
  { first_name: 'Ádám', last_name: "O'Brien", email: 'adam@www.shop.com' },
  { first_name: 'John', last_name: 'Johnson', email: 'jj.walker@mail.example' },
  { first_name: 'Ann', last_name: 'Lee', phone: '+491701234567', phone_valid: true },
  { first_name: 'Anna', last_name: 'Lee', external_id: 'crm-77' },
  { name: 'Bjørn Straße', email: 'b@example.net' },
];

interface Search extends TestServer {
  ids: string[];
  /** @returns the numbers of the found people, the best first */
  find(q: string): Promise<number[]>;
  search(q: string, query?: string): Promise<Found>;
}

async function buildSearch(t: Test): Promise<Search> {
  const server = await build(t);
  const { token } = await registerAs(server, 'admin', 'root@example.com');
  const ids = await insertPeople(server, PEOPLE);
  const search = async (q: string, query = ''): Promise<Found> => {
    const url = `/api/users/search?q=${encodeURIComponent(q)}${query}`;
    const answer = await server.call('GET', url, { token });
    t.equal(answer.statusCode, 200, answer.body);
    return answer.json<Found>();
  };
  return {
    ...server,
    ids,
    search,
    find: async (q) => (await search(q)).data.map(({ id }) => ids.indexOf(id) + 1),
  };
}

test('one box finds by id, address, number, other id, name, mailbox and domain', async (t) => {
  const { find, ids } = await buildSearch(t);
  for (const [q, found] of [
    [ids[1] ?? '', [2]],
    [(ids[1] ?? '').toUpperCase(), [2]],
    ['ADAM@www.shop.com', [1]],
    ['+49 170 1234567', [3]],
    ['0170 1234567', [3]],
    ['491701', [3]],
    ['crm-77', [4]],
    ['adam', [1]],
    ['ÁDÁM', [1]],
    ['ada', [1]],
    ['obrien', [1]],
    ["o'bri", [1]],
    ['walker', [2]],
    ['jj.wal', [2]],
    ['shop', [1]],
    ['www', [1]],
    ['bjorn', [5]],
    ['strasse', [5]],
    ['BJØRN stra', [5]],
    ['lee anna', [4]],
    ['lee anni', [4, 3]],
    ['john walker', [2]],
    ['adam lee', []],
    ['--', []],
  ] as const)
    t.strictSame(await find(q), found, q);
});

test('a typing error is forgiven from four letters on, and ranks behind', async (t) => {
  const { find } = await buildSearch(t);
  for (const [q, found] of [
    ['jonhson', [2]],
    ['jahnson', [2]],
    ['walkr', [2]],
    ['strsse', [5]],
    ['jonhson wal', [2]],
    ['amn', []],
  ] as const)
    t.strictSame(await find(q), found, q);
  t.strictSame(await find('ann'), [3, 4], 'the whole word before the beginning');
  t.strictSame(await find('anna'), [4, 3], 'the word before its neighbour');
});

test('a search goes by pages and says whether there are others', async (t) => {
  const { search, ids } = await buildSearch(t);
  const one = await search('lee', '&limit=1');
  t.match(one, { count: { count: 2, relation: 'exact' }, data: [{ id: ids[3] }] });
  const two = await search('lee', `&limit=1&cursor=${one.next_cursor}`);
  t.match(two, { data: [{ id: ids[2] }], next_cursor: null });
});

test('past a thousand candidates the count says at least', async (t) => {
  const { search, rows } = await buildSearch(t);
  await rows(`insert into identity.users (id, email, email_key)
    select gen_random_uuid(), 'crowd@host' || n || '.example', 'crowd@host' || n || '.example'
    from generate_series(1, 1200) n`);
  t.match(await search('crowd'), { count: { count: 1000, relation: 'at_least' } });
  t.match(await search('crowd host7'), { count: { count: 111, relation: 'exact' } });
});

test('a thousand longer words displace no user with the very word', async (t) => {
  const { context, search, rows } = await buildSearch(t);
  await rows(`insert into identity.users (id, email, email_key, first_name)
    select uuidv7(), 'n' || n || '@host.example', 'n' || n || '@host.example',
      case when n % 4 = 0 then 'Gilda' else 'Gildas' || n end
    from generate_series(1, 1600) n`);
  const { data, count } = await search('gilda', '&limit=200');
  t.match(count, { count: 1000, relation: 'at_least' });
  t.ok(data.every(({ first_name }) => first_name === 'Gilda'));
  const { ranked } = await findCandidates(context.data.db, 'gilda');
  t.equal(ranked.filter(({ rank }) => rank === 1).length, 400);
});

test('a bounded read that finds nobody says that there may be others', async (t) => {
  const { context } = await buildSearch(t);
  for (const isListed of [false, true]) {
    const find = (scan: number) =>
      findUsersByTerms(context.data.db, {
        beginnings: ['lee'],
        others: [{ word: 'x', isListed }],
        scan,
        limit: 9,
      });
    t.strictSame(await find(2), { users: [], more: true });
    t.strictSame(await find(3), { users: [], more: false });
  }
});

test('of two words one may have an error, and only where it is the unknown one', async (t) => {
  const { find } = await buildSearch(t);
  for (const [q, found] of [
    ['johnsn walker', [2]],
    ['walker jonhson', [2]],
    ['johnsn walkr', []],
    ['johnson walker mail', [2]],
  ] as const)
    t.strictSame(await find(q), found, q);
});

test('a query that is empty or too long is refused', async (t) => {
  const server = await build(t);
  const { token } = await registerAs(server);
  for (const query of ['', '?q=', `?q=${'a'.repeat(321)}`, '?q=a&page=1']) {
    const answer = await server.call('GET', `/api/users/search${query}`, { token });
    t.equal(answer.statusCode, 400, query);
    t.match(answer.json().errors, [{ pointer: /^\/querystring\// }], query);
  }
});
