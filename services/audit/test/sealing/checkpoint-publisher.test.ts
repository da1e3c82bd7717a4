import { createServer, request as httpRequest } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test, type Test } from 'tap';
import { formatCheckpoint, openCheckpoint } from '@muniment/audit-verify';
import { signNote } from '@muniment/audit-key';
import { startS3 } from '@muniment/cluster';
import { openAuditBucket } from '../../object-store/audit-bucket.ts';
import { HistoryAltered } from '../../errors.ts';
import { createCheckpointPublisher } from '../../sealing/checkpoint-publisher.ts';
import { sealBatch } from '../../sealing/seal-batch.ts';
import { inLane, range, sealerLease, store } from './sealed-log.ts';
import { openCertifiedLog, ORIGIN, type CertifiedLog } from './signer-parts.ts';

const never = new AbortController().signal;
const padded = (size: number): string => `checkpoints/${String(size).padStart(16, '0')}`;

/** Checkpoints of these sizes. */
async function checkpoints(log: CertifiedLog, sizes: readonly number[]): Promise<void> {
  const lease = await sealerLease(log.db);
  const signer = log.signer();
  await signer.verify();
  let from = 1;
  for (const to of sizes) {
    await store(log.db, inLane(3, range(from, to)));
    await sealBatch(log.db, lease, { limit: 10_000 });
    await signer.sign(lease);
    from = to + 1;
  }
}

test('every checkpoint becomes an object in order of size', async (t) => {
  const log = await openCertifiedLog(t);
  await checkpoints(log, [5, 30, 1_000]);
  const publisher = log.publisher(log.signer());
  await publisher.publish(never);
  t.same(await log.objects(), [5, 30, 1_000].map(padded));
  t.match(openCheckpoint((await log.bucket.get(padded(30))) ?? '', log.keys.verifiers), {
    origin: ORIGIN,
    size: 30,
  });
  t.equal(publisher.published(), 1_000);
  await publisher.publish(never);
  t.same(await log.objects(), [5, 30, 1_000].map(padded));
});

test('a successor goes on where the bucket ends, however many there are', async (t) => {
  const log = await openCertifiedLog(t);
  const sizes = range(1, 30).map((n) => n * 7);
  await checkpoints(log, sizes);
  await log.publisher(log.signer()).publish(never);
  await checkpoints(log, []);
  const lease = await sealerLease(log.db);
  await store(log.db, inLane(4, range(1, 5)));
  await sealBatch(log.db, lease, { limit: 100 });
  const signer = log.signer();
  await signer.verify();
  await signer.sign(lease);
  const successor = log.publisher(signer);
  await successor.publish(never);
  t.same(await log.objects(), [...sizes, 215].map(padded));
});

test('a checkpoint in the bucket that the tree contradicts raises the alarm', async (t) => {
  const beyond = { size: 50, root: Buffer.alloc(32, 1) };
  const beside = { size: 9, root: Buffer.alloc(32, 1) };
  for (const forged of [beyond, beside]) {
    const log = await openCertifiedLog(t);
    await checkpoints(log, [8, 10]);
    await log.bucket.put(
      padded(forged.size),
      await signNote(formatCheckpoint({ origin: ORIGIN, ...forged }), log.keys.signers),
    );
    await t.rejects(log.publisher(log.signer()).publish(never), HistoryAltered, `${forged.size}`);
  }
  const log = await openCertifiedLog(t);
  await checkpoints(log, [8]);
  await log.bucket.put(padded(900), 'no note');
  await t.rejects(log.publisher(log.signer()).publish(never), HistoryAltered);
});

test('another checkpoint of the same size in the bucket is two histories', async (t) => {
  const log = await openCertifiedLog(t);
  const publisher = log.publisher(log.signer());
  await publisher.publish(never);
  await checkpoints(log, [8]);
  await log.bucket.put(
    padded(8),
    await signNote(
      formatCheckpoint({ origin: ORIGIN, size: 8, root: Buffer.alloc(32, 1) }),
      log.keys.signers,
    ),
  );
  await t.rejects(publisher.publish(never), HistoryAltered);
});

test("an older checkpoint under a larger one's name raises the alarm", async (t) => {
  const log = await openCertifiedLog(t);
  await checkpoints(log, [8, 10]);
  const publisher = log.publisher(log.signer());
  await publisher.publish(never);
  await log.bucket.put(padded(12), (await log.bucket.get(padded(8))) ?? '');
  publisher.recheck();
  await t.rejects(publisher.publish(never), { message: /0012 is the checkpoint of 8 leaves/ });
});

test('more checkpoints than one batch are all published', async (t) => {
  const log = await openCertifiedLog(t);
  const sizes = range(1, 201);
  const signed = sizes.map(async (size) => {
    const root = Buffer.alloc(32, size);
    const note = await signNote(formatCheckpoint({ origin: ORIGIN, size, root }), log.keys.signers);
    return { size, root, note };
  });
  await log.db
    .insertInto('audit.checkpoints')
    .values(await Promise.all(signed))
    .execute();
  await log.publisher(log.signer()).publish(never);
  t.same(await log.objects(), sizes.map(padded));
});

test('what else lies in the bucket is no checkpoint', async (t) => {
  const log = await openCertifiedLog(t);
  await checkpoints(log, [8]);
  for (const key of ['checkpoints/!', 'checkpoints/notes.txt', 'erasures/1', 'a'])
    await log.bucket.put(key, 'something');
  const publisher = log.publisher(log.signer());
  await publisher.publish(never);
  t.equal(publisher.published(), 8);
});

test('while the bucket is away nothing is lost: it gets all of them later', async (t) => {
  const log = await openCertifiedLog(t);
  const { endpoint } = log.s3;
  await checkpoints(log, [5]);
  const publisher = log.publisher(log.signer());
  await publisher.publish(never);
  await log.s3.stop();
  await checkpoints(log, [6, 7]);
  await t.rejects(publisher.publish(never));
  const again = await startS3({
    dir: t.testdirName,
    buckets: ['audit'],
    durable: false,
    port: Number(new URL(endpoint).port),
    accessKeyId: 'local',
    secretAccessKey: 'local',
  });
  t.teardown(() => again.stop());
  await publisher.publish(never);
  t.same(await log.objects(), [5, 6, 7].map(padded));
});

/** A proxy that shows the S3 server's bucket as locking, and records its requests. */
async function withObjectLock(
  t: Test,
  endpoint: string,
): Promise<{ endpoint: string; asked: Record<string, string>[] }> {
  const asked: Record<string, string>[] = [];
  const upstream = new URL(endpoint);
  const proxy = createServer((request, response) => {
    if (request.url?.includes('object-lock')) {
      response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end(
          '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
        );
      return;
    }
    if (request.method === 'PUT') asked.push(request.headers as Record<string, string>);
    request.pipe(
      httpRequest(
        {
          host: upstream.hostname,
          port: upstream.port,
          path: request.url,
          method: request.method,
          headers: request.headers,
        },
        (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        },
      ),
    );
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.teardown(() => proxy.close());
  return { endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked };
}

test('a bucket with object lock keeps each object for the configured time', async (t) => {
  const log = await openCertifiedLog(t);
  await checkpoints(log, [5]);
  const { endpoint, asked } = await withObjectLock(t, log.s3.endpoint);
  const bucket = openAuditBucket({
    AUDIT_BUCKET: 'audit',
    AUDIT_S3_ENDPOINT: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  });
  t.teardown(() => bucket.close());
  t.equal(await log.bucket.locks(), false);
  t.equal(await bucket.locks(), true);
  // The local server has no locks and may refuse their headers; the request is what counts.
  await createCheckpointPublisher({ db: log.db, bucket, signer: log.signer(), lockDays: 30 })
    .publish(never)
    .catch(() => {});
  t.match(asked[0], { 'x-amz-object-lock-mode': 'COMPLIANCE', 'if-none-match': '*' });
  const days =
    (Date.parse(asked[0]?.['x-amz-object-lock-retain-until-date'] ?? '') - Date.now()) / 86_400_000;
  t.ok(days > 29.9 && days < 30.1, `${days} days`);
});

test('objects that are no checkpoints hide none', async (t) => {
  const log = await openCertifiedLog(t);
  await checkpoints(log, [8, 10]);
  await log.bucket.put(
    padded(50),
    await signNote(
      formatCheckpoint({ origin: ORIGIN, size: 50, root: Buffer.alloc(32, 1) }),
      log.keys.signers,
    ),
  );
  for (const alien of ['0', '0.txt', `${padded(20).slice('checkpoints/'.length)}.bak`, 'zzz'])
    await log.bucket.put(`checkpoints/${alien}`, 'alien');
  await t.rejects(log.publisher(log.signer()).publish(never), HistoryAltered);
});
