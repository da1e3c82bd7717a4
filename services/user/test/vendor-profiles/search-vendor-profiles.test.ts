import tap, { test } from 'tap';
import { build } from '../build.ts';
import { findSearchPage, SCAN_LIMIT } from '../../vendor-profiles/search/profile-term-queries.ts';
import { createVendors, TECH } from './vendors.ts';

const server = await build(tap);
const { newUser, newProfile } = createVendors(server);
const reader = await newUser('customer');

interface Page {
  data: { id: string }[];
  next_cursor: string | null;
}

const search = (q: string, rest = '') =>
  server.call('GET', `/api/vendor-profiles/search?q=${encodeURIComponent(q)}${rest}`, {
    token: reader.token,
  });

/** All that a search finds, page by page, and how many pages that took. */
async function findAll(q: string, limit = 50): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  let pages = 0;
  for (let cursor: string | null = ''; cursor !== null; pages += 1) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { data, next_cursor: next } = (await search(q, `&limit=${limit}${after}`)).json<Page>();
    ids.push(...data.map(({ id }) => id));
    cursor = next;
  }
  return { ids, pages };
}

test('the beginning of any word of a public field finds a profile', async (t) => {
  const { id } = await newProfile(await newUser(), {
    ...TECH,
    company_details: 'Élevage of alpacas',
  });
  const found = ['tech', 'SOLUT', 'york new', 'llc', 'unit', 'elevage', 'ÉLEV', 'alpacas tech'];
  for (const q of [...found, 'techsolutions.com']) t.strictSame((await findAll(q)).ids, [id], q);
  for (const q of ['olutions', 'tech nothing', '%', '_ech', "tech' or 1=1"])
    t.strictSame((await findAll(q)).ids, [], q);
});

test('what a reader may not see is not found either', async (t) => {
  await newProfile(await newUser(), {
    business_name: 'Plain',
    contact_person: 'Zebulon',
    designation: 'Quaestor',
    address: 'Xylophone Street 1',
    gst_number: 'GX9',
  });
  for (const q of ['zebulon', 'quaestor', 'xylophone', 'gx9'])
    t.strictSame((await findAll(q)).ids, [], q);
});

test('words follow each change', async (t) => {
  const vendor = await newUser();
  const { id } = await newProfile(vendor, { business_name: 'Oldname' });
  await server.call('PATCH', `/api/vendor-profiles/${id}`, {
    token: vendor.token,
    body: { business_name: 'Newname' },
  });
  t.strictSame((await findAll('oldname')).ids, []);
  t.strictSame((await findAll('newname')).ids, [id]);
});

test('pages of a search neither skip nor repeat, whatever their size', async (t) => {
  const made = new Set<string>();
  for (const name of ['Zeta', 'Zetalpha Zetabeta', 'Zetabeta', 'Zeta Zeta Zetagamma', 'Zeta'])
    made.add((await newProfile(await newUser(), { business_name: name })).id);
  for (const limit of [1, 2, 3, 50]) {
    const { ids } = await findAll('zet', limit);
    t.same(new Set(ids), made);
    t.equal(ids.length, made.size, `${limit} a page`);
  }
});

test('a page of common words that rarely meet ends early, and the next one goes on', async (t) => {
  const owner = await newUser();
  const { id } = await newProfile(owner, { business_name: 'Commonplace Rarity' });
  // Of so many entries only the last has both words.
  const count = SCAN_LIMIT + 10;
  await server.rows(
    `with made as (
       insert into identity.users (id, type, email, email_key)
       select gen_random_uuid(), 'vendor', 'bulk-' || n, 'bulk-' || n
       from generate_series(1, ${count}) n returning id)
     insert into identity.vendor_profiles
       (id, user_id, business_type, business_name, working_days, payment_mode)
     select gen_random_uuid(), id, 'Bulk', 'Commonplace', '{}', '{}' from made`,
  );
  const { ids, pages } = await findAll('commonplace rarit');
  t.strictSame(ids, [id]);
  t.ok(pages > 1, `${pages} pages`);
  const first = (await search('commonplace rarit')).json<Page>();
  t.ok(first.next_cursor);
  // The page ended at a profile that it does not show, perhaps one that is hidden.
  t.notMatch(Buffer.from(first.next_cursor ?? '', 'base64url').toString('latin1'), 'commonplace');
  const other = await search('rarity', `&cursor=${first.next_cursor}`);
  t.strictSame([other.statusCode, other.json().code], [400, 'cursor_invalid']);
});

test('a page and its end are of one moment, whatever is written meanwhile', async (t) => {
  // The profiles of the test before. Behind the first answer so many go that none is beyond a page.
  const { db } = server.context.data;
  let removed = 0;
  const racing = db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      const { length } = await server.rows(`delete from identity.vendor_profiles where id in (
        select profile_id from identity.vendor_profile_terms where term = 'commonplace'
        order by profile_id limit 20) returning id`);
      removed += length;
      return result;
    },
  });
  const words = ['commonplace', 'nowhere'] as const;
  const page = await findSearchPage(racing, { words, after: undefined, limit: 50, unlisted: true });
  t.equal(removed, 20, 'one statement, so one moment');
  t.match(page, { rows: [], end: { term: 'commonplace' } }, 'the entries behind it are not lost');
});

test('a search without words finds nothing, and a bad one is a problem', async (t) => {
  t.strictSame((await search('***')).json(), { data: [], next_cursor: null });
  t.equal((await search('')).statusCode, 400);
  t.equal((await search('x'.repeat(201))).statusCode, 400);
  for (const cursor of ['x', 'AAAA', Buffer.alloc(20).toString('base64url'), 'a'.repeat(257)])
    t.equal((await search('tech', `&cursor=${cursor}`)).statusCode, 400, cursor);
});
