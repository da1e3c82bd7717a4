import {
  AbortMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { begin, complete, part } from './send-parts.ts';
import { bucket, createClient, credentials, failureOf, temporaryFolder } from './s3-server.ts';
import { signRequest } from './sign-request.ts';

const MiB = 1024 ** 2;
const script = join(import.meta.dirname, '../../src/s3/serve.ts');

/** Starts the server as a process and waits until it is ready. */
async function spawnServer(
  t: Test,
  dir: string,
): Promise<{ process: ChildProcess; endpoint: string; line: string }> {
  const child = spawn(process.execPath, [script], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DIR: dir,
      BUCKETS: bucket,
      S3_ACCESS_KEY_ID: credentials.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [output]: Buffer[] = await once(child.stdout, 'data');
  const line = String(output);
  return { process: child, endpoint: /http:\/\/[\d.:]+/.exec(line)?.[0] ?? '', line };
}

async function kill(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
  const exited = once(child, 'exit');
  child.kill(signal);
  const [code]: (number | null)[] = await exited;
  return code ?? null;
}

test('says that it is for local use, and ends on SIGTERM with 0', async (t) => {
  const server = await spawnServer(t, await temporaryFolder(t));
  t.match(server.line, /local use only/);
  t.equal(await kill(server.process, 'SIGTERM'), 0);
});

test('a missing setting ends the start and is named', async (t) => {
  const child = spawn(process.execPath, [script], {
    env: { PATH: process.env['PATH'], DIR: '/nowhere' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code]: number[] = await once(child, 'exit');
  t.equal(code, 1);
  t.match(output, /Set S3_ACCESS_KEY_ID/);
});

test('kill -9 in the middle of an upload leaves the old object', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await spawnServer(t, dir);
  const old = randomBytes(100_000);
  await createClient(t, first.endpoint).send(
    new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: old }),
  );
  const { headers } = signRequest(first.endpoint, { payload: 'UNSIGNED-PAYLOAD' });
  const outgoing = request(first.endpoint, {
    method: 'PUT',
    path: `/${bucket}/k`,
    headers: { ...headers, 'content-length': String(20 * MiB) },
  });
  outgoing.on('error', () => {});
  outgoing.write(Buffer.alloc(10 * MiB));
  await until(async () => (await readdir(join(dir, bucket, 'temporary'))).length > 0);
  await kill(first.process, 'SIGKILL');
  t.equal((await readdir(join(dir, bucket, 'temporary'))).length, 1, 'it was killed while writing');

  const second = await spawnServer(t, dir);
  const got = await createClient(t, second.endpoint).send(
    new GetObjectCommand({ Bucket: bucket, Key: 'k' }),
  );
  t.ok(old.equals(Buffer.from((await got.Body?.transformToByteArray()) ?? [])));
  for (let i = 0; i < 200 && (await readdir(join(dir, bucket, 'temporary'))).length > 0; i++)
    await sleep(5);
  t.same(await readdir(join(dir, bucket, 'temporary')), [], 'what it was writing is cleared away');
});

test('kill -9 during many writes tears no object and loses no acknowledged one', async (t) => {
  const dir = await temporaryFolder(t);
  const acknowledged = new Map<string, number>();
  let version = 0;
  for (let round = 0; round < 5; round++) {
    const server = await spawnServer(t, dir);
    const client = createClient(t, server.endpoint);
    for (const [Key, least] of acknowledged) {
      const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
      const found = bytes.readUInt32BE(0);
      if (found < least || bytes.length !== 40_000 || !bytes.equals(content(found)))
        t.fail(`${Key}: version ${found}, acknowledged ${least}`);
    }
    const listed = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    for (const key of acknowledged.keys())
      if (!listed.Contents?.some(({ Key }) => Key === key)) t.fail(`${key} is not listed`);

    let running = true;
    const writers = Array.from({ length: 8 }, async (_, i) => {
      for (let n = 0; running; n++) {
        const [Key, mine] = [`${i}/${n % 5}`, ++version];
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: content(mine) })).then(
          () => acknowledged.set(Key, mine),
          () => {
            running = false;
          },
        );
      }
    });
    const enough = version + 60;
    while (version < enough && running) await sleep(5);
    await sleep(Math.random() * 50);
    await kill(server.process, 'SIGKILL');
    await Promise.all(writers);
  }
  t.ok(acknowledged.size >= 8, `${acknowledged.size} keys, ${version} writes`);
});

test('kill -9 during uploads in parts loses no acknowledged part or object', async (t) => {
  const dir = await temporaryFolder(t);
  const acknowledged = new Map<string, number>();
  const open = new Map<string, { key: string; version: number; part: CompletedPart }>();
  let version = 0;
  for (let round = 0; round < 5; round++) {
    const server = await spawnServer(t, dir);
    const client = createClient(t, server.endpoint);
    for (const [id, { key, version: mine, part: sent }] of open) {
      const outcome = await failureOf(complete(client, key, id, [sent]));
      // Its completion was not acknowledged, but made, and another object replaced it.
      if (outcome.code === 'NoSuchUpload') continue;
      t.equal(outcome.code, 'none');
      acknowledged.set(key, mine);
    }
    open.clear();
    for (const [Key, least] of acknowledged) {
      const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      const bytes = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
      const found = bytes.readUInt32BE(0);
      if (found < least || !bytes.equals(content(found)))
        t.fail(`${Key}: version ${found}, acknowledged ${least}`);
    }
    // Those that were begun, and no part of them was acknowledged.
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    for (const { Key, UploadId } of Uploads)
      await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
    t.same(await readdir(join(dir, bucket, 'uploads')), [], 'completed uploads left no file');

    const enough = version + 40;
    let running = true;
    const writers = Array.from({ length: 6 }, async (_, i) => {
      while (running) {
        const [key, mine] = [`${i}`, ++version];
        try {
          const id = await begin(client, key);
          const sent = await part(client, key, id, 1, content(mine));
          open.set(id, { key, version: mine, part: sent });
          await complete(client, key, id, [sent]);
          open.delete(id);
          acknowledged.set(key, mine);
        } catch {
          running = false;
        }
      }
    });
    await until(() => version >= enough || !running);
    await kill(server.process, 'SIGKILL');
    await Promise.all(writers);
  }
  t.equal(acknowledged.size, 6);
});

test('large uploads and downloads stay in bounded memory', async (t) => {
  const { process: child, endpoint } = await spawnServer(t, await temporaryFolder(t));
  const client = createClient(t, endpoint);
  const size = 128 * MiB;
  const upload = (Key: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const path = `/${bucket}/${Key}`;
      const { headers } = signRequest(endpoint, { path, payload: 'UNSIGNED-PAYLOAD' });
      const outgoing = request(
        endpoint,
        { method: 'PUT', path, headers: { ...headers, 'content-length': String(size) } },
        (incoming) => {
          incoming
            .resume()
            .on('end', () =>
              incoming.statusCode === 200
                ? resolve()
                : reject(new Error(String(incoming.statusCode))),
            );
        },
      );
      outgoing.on('error', reject);
      const piece = Buffer.alloc(MiB);
      let left = size;
      const write = (): void => {
        while (left > 0) {
          left -= piece.length;
          if (!outgoing.write(piece)) return void outgoing.once('drain', write);
        }
        outgoing.end();
      };
      write();
    });
  await Promise.all([upload('a'), upload('b')]);
  await Promise.all(
    ['a', 'b', 'a'].map(async (Key) => {
      const response = await fetch(
        await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key })),
      );
      let got = 0;
      for await (const chunk of response.body ?? []) got += chunk.length;
      t.equal(got, size);
    }),
  );
  const peak =
    Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1]) /
    1024;
  t.ok(peak < 260, `peak ${peak.toFixed(0)} MiB for 640 MiB moved`);
});

function content(version: number): Buffer {
  const bytes = Buffer.alloc(40_000);
  for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32BE(version, i);
  return bytes;
}
