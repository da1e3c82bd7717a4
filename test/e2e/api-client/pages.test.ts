import { test } from 'tap';
import { createClient, type Client } from '../../../packages/api-client/src/index.ts';
import { parseNextLink } from '../../../packages/api-client/src/pages/iterate-pages.ts';
import { shareFleet, type Fleet, type SignedIn } from '../fleet.ts';
import { startFaultProxy } from './fault-proxy.ts';

function signedInClient(url: string, signedIn: SignedIn): Client {
  const client = createClient({ url });
  client.session.adopt({ ...signedIn, expires_in: 900 });
  return client;
}

async function uploadFiles(fleet: Fleet, token: string, names: readonly string[]): Promise<void> {
  for (const name of names) await (await fleet.upload(token, name, name)).body?.cancel();
}

test('a list whose next page stands in Link is read to its end', async (t) => {
  const fleet = await shareFleet();
  const ada = await fleet.signUp();
  const names = ['a', 'b', 'c', 'd', 'e'];
  await uploadFiles(fleet, ada.token, names);
  const proxy = await startFaultProxy(t, { target: fleet.url });
  const client = signedInClient(proxy.url, ada);
  const seen: string[] = [];
  for await (const { name } of client.api.files.listFiles({ query: { limit: 2 } })) seen.push(name);
  t.same(seen.toReversed(), names, 'each once, newest first');
  t.equal(proxy.count('GET /api/files'), 3);
});

test('a list whose next page stands in the body is read to its end', async (t) => {
  const fleet = await shareFleet();
  const ada = await fleet.signUp();
  const client = signedInClient(fleet.url, ada);
  const body = { name: 'token', scopes: ['profile:read'] };
  const made: string[] = [];
  for (let n = 0; n < 5; n += 1)
    made.push((await client.api.apiTokens.createApiToken({ body })).data.id);
  const seen: string[] = [];
  for await (const { id } of client.api.apiTokens.listApiTokens({ query: { limit: 2 } }))
    seen.push(id);
  t.same(seen.toReversed(), made);
});

test('awaited, a list is one page', async (t) => {
  const fleet = await shareFleet();
  const ada = await fleet.signUp();
  await uploadFiles(fleet, ada.token, ['a', 'b', 'c']);
  const client = signedInClient(fleet.url, ada);
  const { data } = await client.api.files.listFiles({ query: { limit: 2 } });
  t.same(
    data.map(({ name }) => name),
    ['c', 'b'],
  );
});

test('a loop that ends early reads no further page', async (t) => {
  const fleet = await shareFleet();
  const ada = await fleet.signUp();
  await uploadFiles(fleet, ada.token, ['a', 'b', 'c']);
  const proxy = await startFaultProxy(t, { target: fleet.url });
  for await (const _ of signedInClient(proxy.url, ada).api.files.listFiles({ query: { limit: 1 } }))
    break;
  t.equal(proxy.count('GET /api/files'), 1);
});

test('a page that fails in the middle is read again, and none is doubled', async (t) => {
  const fleet = await shareFleet();
  const ada = await fleet.signUp();
  await uploadFiles(fleet, ada.token, ['a', 'b', 'c', 'd']);
  const proxy = await startFaultProxy(t, {
    target: fleet.url,
    fault: (_, nth) => (nth === 2 ? { cutAfterBytes: 30 } : undefined),
  });
  const seen: string[] = [];
  for await (const { name } of signedInClient(proxy.url, ada).api.files.listFiles({
    query: { limit: 2 },
  }))
    seen.push(name);
  t.same(seen, ['d', 'c', 'b', 'a']);
});

test('a list that is refused rejects in its loop', async (t) => {
  const fleet = await shareFleet();
  const client = signedInClient(fleet.url, await fleet.signUp());
  const loop = async (): Promise<void> => {
    for await (const _ of client.api.files.listFiles({ query: { cursor: 'forged' } })) continue;
  };
  await t.rejects(loop(), { name: 'Problem', status: 400 });
});

test('only the query of a next link is followed', (t) => {
  t.same(parseNextLink('<https://elsewhere.example/api?cursor=x&limit=2>; rel="next"'), {
    cursor: 'x',
    limit: '2',
  });
  t.same(parseNextLink('</a?cursor=1>; rel=prev, </a?cursor=2>; rel=next'), { cursor: '2' });
  t.equal(parseNextLink('</a?cursor=1>; rel="prev"'), undefined);
  t.equal(parseNextLink(null), undefined);
  t.end();
});
