import { test } from 'tap';
import { parseVerifierKey, verifyStream, type StreamReport } from '@muniment/audit-verify';
import { timeBound, until } from '@muniment/testing';
import { build, eventsOf, storeEvents, type Caller, type TestServer } from '../build.ts';
import { fillLog } from '../fill-log.ts';
import { certify } from '../sealing/certify.ts';
import { connect, serve, type Line } from './sealed.ts';

const indexesOf = (text: string): number[] =>
  [...text.matchAll(/^id: (\d+)\nevent: audit$/gm)].map(([, id]) => Number(id));
const lastIdOf = (text: string): string => [...text.matchAll(/^id: (-?\d+)$/gm)].at(-1)?.[1] ?? '';
const hasCheckpoint = (line: Line, size: number): Promise<boolean> =>
  until(() => line.text().includes(`event: checkpoint\ndata: {"size":${size},`), {
    what: `the checkpoint of ${size} entries is sent`,
  });
const verify = ({ auditKey }: TestServer, texts: readonly string[], after?: number) =>
  verifyStream(texts, { keys: [parseVerifierKey(auditKey.verifierKey)], after });
const found = ({ verdict, findings }: StreamReport): unknown[] => [
  verdict,
  ...findings.map(({ code, index }) => [code, index]),
];

/** A log of 300 entries that is signed, and streams with proofs about it. */
async function buildSigned(t: Parameters<typeof build>[0]) {
  const parts = await build(t, { STREAM_HEARTBEAT_MS: '300' });
  const { url } = await serve(t, parts.server);
  const ada = await parts.signIn();
  let filled = 0;
  async function add(count: number): Promise<void> {
    const before = filled;
    filled += count;
    await fillLog(parts, count, (n) => ({
      seq: before + n + 1,
      ...(n % 7 === 0 && { user_id: ada.id }),
    }));
  }
  await add(300);
  await certify(parts);
  const open = (caller: Caller, query: string, headers: Record<string, string> = {}) =>
    connect(`${url}/api/audit/stream?proof=true&${query}`, caller, headers);
  return { parts, url, ada, add, open };
}

test('streams with proofs of one log', async (t) => {
  const { parts, url, ada, add, open } = await buildSigned(t);
  const root = await parts.signIn('admin');

  await t.test('rows carry the personal values that the reader may see', async (t) => {
    await storeEvents(parts, [eventsOf(ada), eventsOf(ada, { personal: { ip: '198.51.100.9' } })]);
    await certify(parts);
    const line = await open(ada, 'after=299');
    const narrowed = await open(ada, 'after=299&ip=192.0.2.7');
    await hasCheckpoint(line, 302);
    await hasCheckpoint(narrowed, 302);
    line.close();
    narrowed.close();
    t.match(verify(parts, [line.text()]), {
      verdict: 'proven',
      rows: 2,
      personal: { matched: 2, withheld: 0 },
    });
    t.match(
      verify(parts, [narrowed.text()]),
      {
        verdict: 'incomplete',
        findings: [],
        rows: 1,
        left_out: 1,
        filter: { ip: '192.0.2.7', concerning: ada.id },
      },
      'and a filter by them is no proof that nothing was missed',
    );
  });

  await t.test('what is recorded shows that nothing was missed', async (t) => {
    const first = await open(root, 'after=-1');
    await hasCheckpoint(first, 302);
    await add(40);
    await certify(parts);
    await hasCheckpoint(first, 342);
    first.close();
    await add(60);
    await certify(parts);
    const second = await open(root, 'after=-1', { 'last-event-id': lastIdOf(first.text()) });
    await hasCheckpoint(second, 402);
    second.close();
    const texts = [first.text(), second.text()];
    t.match(verify(parts, texts, -1), {
      verdict: 'proven',
      findings: [],
      proven: [0, 401],
      rows: 402,
      connections: 2,
      filter: null,
    });
    const without = texts.map((text) => text.replace(/^id: 123\nevent: audit\ndata: .*\n\n/m, ''));
    t.strictSame(found(verify(parts, without, -1)), ['refuted', ['rows_missing', 123]]);
    t.strictSame(found(verify(parts, [second.text()], -1)), ['refuted', ['rows_missing', 0]]);
  });

  await t.test('entries come once they are signed, wherever a stream begins', async (t) => {
    const line = await open(root, '');
    await add(10);
    const later = await open(root, 'after=406');
    await until(() => line.text().split(':\nid: 401\n').length > 2, { what: 'heartbeats came' });
    t.strictSame(indexesOf(line.text()), [], 'sealed, and not signed');
    await certify(parts);
    await hasCheckpoint(line, 412);
    await hasCheckpoint(later, 412);
    line.close();
    later.close();
    t.match(verify(parts, [line.text()], 401), { verdict: 'proven', proven: [402, 411] });
    t.match(verify(parts, [later.text()], 406), { verdict: 'proven', proven: [407, 411], rows: 5 });
  });

  await t.test("a user's stream proves their entries, and names what it cannot", async (t) => {
    const line = await open(ada, 'after=-1');
    await hasCheckpoint(line, 412);
    await until(() => line.text().includes(':\nid: 411\n'), { what: 'a heartbeat came' });
    const resumed = await open(ada, '', { 'last-event-id': lastIdOf(line.text()) });
    await add(8);
    await certify(parts);
    await hasCheckpoint(line, 420);
    await hasCheckpoint(resumed, 420);
    line.close();
    resumed.close();
    t.match(verify(parts, [line.text()], -1), {
      verdict: 'incomplete',
      findings: [],
      proven: [0, 419],
      rows: 64,
      left_out: 356,
      filter: { concerning: ada.id },
    });
    t.match(verify(parts, [resumed.text()], 411), { findings: [], rows: 2, proven: [412, 419] });
  });

  await t.test('a stream of entries carries checkpoints too, behind what they sign', async (t) => {
    const line = await connect(`${url}/api/audit/stream?after=409`, root);
    await hasCheckpoint(line, 420);
    await add(5);
    await until(() => indexesOf(line.text()).length === 15, { timeoutMs: timeBound(5_000) });
    await certify(parts);
    await hasCheckpoint(line, 425);
    line.close();
    const text = line.text();
    t.ok(text.indexOf('"index":419,') < text.indexOf('{"size":420,'));
    t.ok(text.indexOf('"index":424,') < text.indexOf('{"size":425,'));
    const note = JSON.parse(/{"size":425,.*}/.exec(text)?.[0] ?? '{}') as { note: string };
    t.equal(note.note, (await parts.get('/api/audit/checkpoint', root)).body);
  });
});
