import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { test } from 'tap';
import { timeBound } from '@muniment/testing';
import { ObjectStoreUnavailable } from '../../errors.ts';
import type { ObjectStore } from '../../object-store/object-store.ts';
import { attempt, isS3Unavailable } from '../../object-store/unavailable.ts';
import { build, BUCKET } from '../build.ts';

const putBySdk = ({ s3 }: ObjectStore): Promise<unknown> =>
  s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'x' }));
const putBytes = (store: ObjectStore): Promise<unknown> =>
  store.putBytes({
    key: 'k',
    query: '',
    headers: {},
    payloadHash: 'UNSIGNED-PAYLOAD',
    body: Buffer.from('x'),
    timeoutMs: 1_500,
  });

for (const [name, send] of Object.entries({ putBySdk, putBytes }))
  test(`an unreachable S3 gives one error within its time-outs (${name})`, async (t) => {
    const {
      files: { store },
      s3: { proxy },
      replica,
    } = await build(t);
    const put = () => send(store);
    for (const [fault, doubtful] of [
      ['refuse', true],
      ['blackhole', true],
    ] as const) {
      proxy.mode(fault);
      let doubts = 0;
      const begun = Date.now();
      const error: unknown = await attempt(put, () => {
        doubts += 1;
      }).catch((thrown: unknown) => thrown);
      t.ok(isS3Unavailable(error), fault);
      t.ok(Date.now() - begun < timeBound(4_000), 'one time-out, not two');
      t.equal(doubts > 0, doubtful);
    }
    const nobody = await replica({ S3_ENDPOINT: 'http://127.0.0.1:9' });
    let doubts = 0;
    await t.rejects(
      attempt(
        () => send(nobody.store),
        () => {
          doubts += 1;
        },
      ),
      ObjectStoreUnavailable,
    );
    t.equal(doubts, 0, 'without a connection nothing can have arrived');
  });

test("S3's refusals are no outage", async (t) => {
  const {
    files: {
      store: { s3 },
    },
  } = await build(t);
  const error: unknown = await attempt(() =>
    s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'absent' })),
  ).catch((thrown: unknown) => thrown);
  t.match(error, { name: 'NoSuchKey' });
  t.notOk(isS3Unavailable(error));
});

test('a second attempt is made when the connection broke, and only then', async (t) => {
  let attempts = 0;
  const broken = () =>
    Promise.reject(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
  t.equal(await attempt(() => (attempts++ === 0 ? broken() : Promise.resolve('sent'))), 'sent');
  attempts = 0;
  await t.rejects(
    attempt(() => {
      attempts += 1;
      return broken();
    }),
    ObjectStoreUnavailable,
  );
  t.equal(attempts, 2);
  attempts = 0;
  await t.rejects(
    attempt(() => {
      attempts += 1;
      return Promise.reject(new TypeError('a bug'));
    }),
    TypeError,
  );
  t.equal(attempts, 1);
});
