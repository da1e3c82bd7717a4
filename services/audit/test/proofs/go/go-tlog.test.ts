import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'tap';
import { startS3 } from '@muniment/cluster';
import { until } from '@muniment/testing';
import { build } from '../../build.ts';
import { inLane, range, store } from '../../sealing/sealed-log.ts';
import { ensureGo, GOPATH } from './ensure-go.ts';

/** Kept between runs: the first build compiles Go's own packages as well (15 s). */
const CACHE = join(import.meta.dirname, '../../../../../.tools/go-cache');

// May install Go first.
test(
  "Go's own transparency log packages accept the checkpoint, the tiles and the proofs",
  { timeout: 180_000 },
  async (t) => {
    const missing = await ensureGo();
    if (missing !== undefined) {
      t.plan(0, missing);
      return;
    }
    const folder = await mkdtemp(join(tmpdir(), 'muniment-go-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const program = join(folder, 'check-log');
    const go = spawn('go', ['build', '-o', program, join(import.meta.dirname, 'main.go')], {
      // GOPATH mode: from Debian's source, without the network.
      env: {
        ...process.env,
        GO111MODULE: 'off',
        GOPATH,
        GOFLAGS: '',
        GOCACHE: CACHE,
        CGO_ENABLED: '0',
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    t.same(await once(go, 'close'), [0, null], 'the program is built');

    const s3 = await startS3({
      dir: join(folder, 's3'),
      buckets: ['muniment-audit'],
      durable: false,
      accessKeyId: 'local',
      secretAccessKey: 'local',
    });
    t.teardown(() => s3.stop());
    const parts = await build(t, { AUDIT_S3_ENDPOINT: s3.endpoint, AUDIT_CHECKPOINT_MS: '100' });
    await parts.server.http.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = parts.server.http.app.server.address() as AddressInfo;
    const admin = await parts.signIn('admin');
    const signed = (size: number) =>
      until(() => parts.server.ingest.sealer.status().checkpoint?.size === size);
    const events = inLane(3, range(1, 700));
    await store(parts.db, events.slice(0, 130));
    await signed(130);
    await store(parts.db, events.slice(130));
    await signed(700);

    const checker = spawn(program, { stdio: ['pipe', 'pipe', 'pipe'] });
    checker.stdin.end(
      JSON.stringify({
        url: `http://127.0.0.1:${port}/api/audit`,
        token: admin.token,
        verifierKey: parts.auditKey.verifierKey,
        signingKey: parts.auditKey.signingKey,
        oldSize: 130,
        ids: [0, 1, 129, 130, 254, 255, 256, 257, 511, 512, 698, 699].map((n) => events[n]?.id),
      }),
    );
    const [output, errors, [code]] = await Promise.all([
      text(checker.stdout),
      text(checker.stderr),
      once(checker, 'close'),
    ]);
    t.equal(code, 0, errors);
    t.match(output, /12 entries included, consistent with 130 leaves/);
  },
);
