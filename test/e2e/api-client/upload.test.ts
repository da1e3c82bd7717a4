import { createHash, randomBytes } from 'node:crypto';
import { test } from 'tap';
import { until } from '@muniment/testing';
import {
  createClient,
  NoAnswer,
  type Client,
  type Progress,
} from '../../../packages/api-client/src/index.ts';
import { shareFleet, type Fleet } from '../fleet.ts';
import { startFaultProxy, type ChooseFault, type FaultProxy } from './fault-proxy.ts';

const MIB = 1024 * 1024;
const UPLOAD = 'POST /api/files';

async function build(
  t: Parameters<typeof startFaultProxy>[0],
  fault: ChooseFault = () => undefined,
): Promise<{ fleet: Fleet; proxy: FaultProxy; client: Client }> {
  const fleet = await shareFleet();
  const proxy = await startFaultProxy(t, { target: fleet.url, fault });
  const client = createClient({ url: proxy.url });
  client.session.adopt({ ...(await fleet.signUp()), expires_in: 900 });
  return { fleet, proxy, client };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function namesOf(client: Client): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of client.api.files.listFiles()) names.push(name);
  return names;
}

test('an upload of 5 MiB tells its progress, and arrives whole', async (t) => {
  const { client } = await build(t);
  const bytes = randomBytes(5 * MIB);
  const steps: Progress[] = [];
  const { data, status } = await client.upload({
    file: new File([bytes], 'a "quoted" näme.bin', { type: 'application/x-test' }),
    onProgress: (progress) => steps.push(progress),
  });
  t.equal(status, 201);
  t.equal(data.size, bytes.length);
  t.equal(data.sha256, sha256(bytes));
  t.equal(data.name, 'a "quoted" näme.bin');
  const loaded = steps.map((step) => step.loaded);
  t.same(
    loaded,
    loaded.toSorted((one, other) => one - other),
  );
  t.ok(loaded.length >= 20, `${loaded.length} steps`);
  t.equal(loaded.at(-1), bytes.length);
  t.ok(steps.every(({ total }) => total === bytes.length));
});

test('progress is what the connection took, not what was read', async (t) => {
  const { proxy, client } = await build(t, () => ({ hang: true }));
  const file = new Blob([Buffer.alloc(48 * MIB)]);
  const controller = new AbortController();
  let last = 0;
  const upload = client.upload({
    file,
    signal: controller.signal,
    onProgress: ({ loaded }) => (last = loaded),
  });
  upload.catch(() => undefined);
  await until(() => proxy.count(UPLOAD) === 1 && last > 0);
  // The far side reads nothing: what is told stops at the buffers between.
  let before = -1;
  await until(
    async () => {
      const same = before === last;
      before = last;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return same;
    },
    { what: 'the progress stands still' },
  );
  t.ok(last < file.size / 2, `${last} bytes`);
  controller.abort(new Error('no longer wanted'));
  await t.rejects(upload, { message: 'no longer wanted' });
});

test('an upload whose answer was lost is one file', async (t) => {
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === UPLOAD && nth === 1 ? { loseAnswer: true } : undefined,
  );
  const bytes = randomBytes(MIB);
  let restarts = 0;
  let last = 0;
  const { data } = await client.upload({
    file: new Blob([bytes]),
    name: 'once.bin',
    onProgress({ loaded }) {
      if (loaded < last) restarts += 1;
      last = loaded;
    },
  });
  t.equal(data.sha256, sha256(bytes));
  t.equal(proxy.count(UPLOAD), 2);
  t.equal(restarts, 1, 'the second attempt tells its own progress');
  t.same(await namesOf(client), ['once.bin']);
});

test('a stream is uploaded once, and not again', async (t) => {
  const { proxy, client } = await build(t, ({ route }, nth) =>
    route === UPLOAD && nth === 2 ? { loseAnswer: true } : undefined,
  );
  const bytes = randomBytes(3 * MIB);
  const open = (): ReadableStream<Uint8Array> => new Blob([bytes]).stream();
  const { data } = await client.upload({ file: open(), name: 'stream.bin' });
  t.equal(data.sha256, sha256(bytes));
  const error = await client
    .upload({ file: open(), name: 'lost.bin' })
    .catch((reason: unknown) => reason);
  t.ok(error instanceof NoAnswer);
  t.equal(proxy.count(UPLOAD), 2);
});

test('without progress a file goes as a form, and comes back as a stream', async (t) => {
  const { client } = await build(t);
  const { data } = await client.upload({ file: new File(['hello'], 'hello.txt') });
  const { data: body } = await client.api.downloads.downloadFile({ path: { id: data.id } });
  t.equal(await new Response(body).text(), 'hello');
  t.same(await namesOf(client), ['hello.txt']);
});

test('a name with a line end adds no header to the form', async (t) => {
  const { client } = await build(t);
  const onProgress = (): void => undefined;
  const input = { file: new Blob(['x']), name: 'a"\r\nX-Evil: 1', onProgress };
  const error = await client.upload(input).catch((reason: unknown) => reason);
  // Whether it is taken under an escaped name or refused: the form held one part.
  if (!(error instanceof Error)) t.notMatch((await namesOf(client))[0], '\n');
  else t.match(error, { code: 'name_invalid' });
});
