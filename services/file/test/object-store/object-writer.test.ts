import { createHash, randomBytes } from 'node:crypto';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { test } from 'tap';
import { createObjectWriter } from '../../object-store/object-writer.ts';
import { build, BUCKET } from '../build.ts';

const PART = 5 * 1024 ** 2;

test('objects of every size around a part arrive whole through two buffers', async (t) => {
  const {
    files: { store },
  } = await build(t, { UPLOAD_BUFFERS: '2' });
  for (const size of [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1]) {
    const content = randomBytes(size);
    const heads: number[] = [];
    const writer = createObjectWriter({
      store,
      owner: 'ada',
      key: `k${size}`,
      failure: new AbortController(),
      onHead: async (head) => {
        heads.push(head.length);
        return 'text/x-test';
      },
    });
    for (let at = 0; at < size; at += 70_001) await writer.write(content.subarray(at, at + 70_001));
    const written = await writer.finish();
    const object = await store.s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: `k${size}` }));
    t.ok(
      Buffer.from((await object.Body?.transformToByteArray()) ?? []).equals(content),
      `${size} bytes`,
    );
    t.match(object, { ETag: written.etag, ContentType: 'text/x-test' });
    t.match(written, {
      size,
      sha256: createHash('sha256').update(content).digest('hex'),
      versionId: null,
    });
    t.strictSame(heads, [Math.min(size, PART)]);
    t.equal(store.pool.load().lent, 0);
  }
});

test('what is discarded leaves nothing, wherever it stood', async (t) => {
  const {
    files: { store },
    stored,
  } = await build(t);
  for (const [size, finish] of [
    [10, false],
    [10, true],
    [2 * PART + 10, false],
    [2 * PART + 10, true],
  ] as const) {
    const writer = createObjectWriter({
      store,
      owner: 'ada',
      key: 'k',
      failure: new AbortController(),
      onHead: async () => 'text/plain',
    });
    await writer.write(randomBytes(size));
    if (finish) await writer.finish();
    await writer.release();
    t.equal(store.pool.load().lent, 0);
    t.equal(writer.isInDoubt(), finish || size > PART);
    await writer.discard();
    t.strictSame(
      await stored(),
      { objects: [], uploads: [] },
      `${size} bytes, ${finish ? 'finished' : 'unfinished'}`,
    );
  }
});

test('nothing goes to S3 when the beginning is refused', async (t) => {
  const {
    files: { store },
    stored,
  } = await build(t);
  for (const size of [10, PART + 10]) {
    const writer = createObjectWriter({
      store,
      owner: 'ada',
      key: 'k',
      failure: new AbortController(),
      onHead: async () => {
        throw new Error('refused');
      },
    });
    await t.rejects(
      writer.write(randomBytes(size)).then(() => writer.finish()),
      { message: 'refused' },
    );
    await writer.release();
    t.equal(writer.isInDoubt(), false);
    t.strictSame(await stored(), { objects: [], uploads: [] });
    t.equal(store.pool.load().lent, 0);
  }
});

test('a part that fails ends the wait for the client', async (t) => {
  const {
    files: { store },
    s3,
  } = await build(t);
  const failure = new AbortController();
  const writer = createObjectWriter({
    store,
    owner: 'ada',
    key: 'k',
    failure,
    onHead: async () => {
      setImmediate(() => s3.proxy.mode('pass'));
      return 'text/plain';
    },
  });
  await writer.write(randomBytes(PART));
  const aborted = new Promise((resolve) => failure.signal.addEventListener('abort', resolve));
  await writer.write(randomBytes(PART));
  s3.proxy.mode('refuse');
  await writer.write(randomBytes(PART)).catch(() => undefined);
  await writer.write(randomBytes(1)).catch(() => undefined);
  await aborted;
  t.match(failure.signal.reason, { statusCode: 503 });
  await writer.release();
  t.equal(store.pool.load().lent, 0);
});
