import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { test, type Test } from 'tap';
import { until } from '@muniment/testing';
import { findLatestCheckpoint } from '../../proofs/tree/checkpoint-queries.ts';
import { build, eventsOf, storeEvents, type Caller, type TestServer } from '../build.ts';
import { startAuditStore } from '../audit-store.ts';

const CLI = join(import.meta.dirname, '../../../../packages/audit-verify/src/cli.ts');

interface Parts extends TestServer {
  root: Caller;
  ada: Caller;
  /** Runs `audit-verify` over these bytes. */
  verify(body: string, ...args: string[]): { code: number | null; out: string };
  /** Writes a file for it. */
  file(name: string, text: string): Promise<string>;
  /** Waits until all that is sealed is signed. @returns the signed note */
  signed(): Promise<string>;
}

/** A service that seals and signs with its own key, and the command that others check it with. */
async function start(t: Test): Promise<Parts> {
  const parts = await build(t, { ...(await startAuditStore(t)), AUDIT_CHECKPOINT_MS: '50' });
  await parts.server.http.app.listen({ port: 0 });
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(t.testdirName, name);
    await writeFile(path, text);
    return path;
  };
  const key = await file('audit-key.pub', `${parts.auditKey.verifierKey}\n`);
  return {
    ...parts,
    file,
    root: await parts.signIn('admin'),
    ada: await parts.signIn(),
    verify(body, ...args) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [CLI, '--key', key, ...args, '-'],
        { input: body, encoding: 'utf8' },
      );
      return { code: status, out: stdout + stderr };
    },
    async signed() {
      let note = '';
      await until(async () => {
        const { rows } = await parts.superuser.query<{ count: number }>(
          'select (select count(*) from audit.events)::int as count',
        );
        const checkpoint = await findLatestCheckpoint(parts.db);
        note = checkpoint?.note ?? '';
        return checkpoint !== undefined && checkpoint.size >= (rows[0]?.count ?? 0);
      });
      return note;
    },
  };
}

test('the verifier proves an export by the public key, and names five mutations', async (t) => {
  const parts = await start(t);
  const { root, ada, verify } = parts;
  await storeEvents(
    parts,
    [
      ...Array.from({ length: 30 }, (_, n) =>
        eventsOf(ada, {
          metadata: { n, text: '","index":7,"x ä\u2028' },
          personal: { filename: 'ä,"index":1.pdf', email: 'ada@example.com' },
        }),
      ),
      { subject: { userId: randomUUID() }, personal: {} },
    ],
    { seal: false },
  );
  const earlier = await parts.file('earlier.note', await parts.signed());
  await storeEvents(
    parts,
    Array.from({ length: 10 }, () => eventsOf(root)),
    { seal: false },
  );
  await parts.signed();

  const body = (await parts.get('/api/audit/export', root)).body;
  const whole = verify(body, '--checkpoint', earlier);
  t.match(whole, { code: 0, out: /^PROVEN/ }, whole.out);
  t.match(whole.out, /nothing of it was rewritten/);
  t.match(whole.out, /4[0-9] rows with values, those that were sealed; 0 rows/);

  const own = (await parts.get('/api/audit/export', ada)).body;
  t.match(verify(own), { code: 3, out: /30 rows, .*each as it was sealed/ });
  const part = (await parts.get('/api/audit/export?limit=7', root)).body;
  t.match(verify(part), { code: 3, out: /7 rows, index 0 to 6/ });
  const { end } = JSON.parse(part.trimEnd().split('\n').at(-1) ?? '') as {
    end: { next_cursor: string };
  };
  const next = verify((await parts.get(`/api/audit/export?cursor=${end.next_cursor}`, root)).body);
  t.match(next, { code: 3 }, next.out);

  const lines = body.trimEnd().split('\n');
  const mutated = (content: string[]): { code: number | null; out: string } =>
    verify(`${content.join('\n')}\n`);
  const row = (index: number): string => lines[index + 1] ?? '';
  t.match(mutated(lines.with(6, row(5).replace('LOGIN_SUCCESS', 'LOGIN_FAILURE'))), {
    code: 1,
    out: /line 7, index 5: row altered/,
  });
  t.match(mutated(lines.toSpliced(6, 1)), { code: 1, out: /missing: index 5/ });
  t.match(mutated(lines.toSpliced(6, 0, row(5))), { code: 1, out: /line 8, index 5: doubled/ });
  t.match(mutated(lines.with(6, row(9)).with(10, row(5))), {
    code: 1,
    out: /swapped: index 5 and index 9/,
  });
  t.match(mutated(lines.slice(0, 20)), { code: 1, out: /cut at the end: indexes 19 to/ });
});

test('the consistency route answers the proof that the verifier needs', async (t) => {
  const parts = await start(t);
  const { root, ada, verify } = parts;
  await storeEvents(
    parts,
    Array.from({ length: 21 }, () => eventsOf(root)),
    { seal: false },
  );
  const note = await parts.signed();
  const earlier = await parts.file('earlier.note', note);
  await storeEvents(
    parts,
    Array.from({ length: 20 }, () => eventsOf(root)),
    { seal: false },
  );
  await parts.signed();
  const own = (await parts.get('/api/audit/export', ada)).body;
  const asked = verify(own, '--checkpoint', earlier);
  t.match(
    asked,
    { code: 3, out: /NOT SHOWN: needs the answer of GET \/api\/audit\/consistency/ },
    asked.out,
  );
  const [, path] = /GET (\S+),/.exec(asked.out) ?? [];
  const answer = await parts.get(path ?? '', root);
  t.equal(answer.statusCode, 200, answer.body);
  const proof = await parts.file('consistency.json', answer.body);
  t.match(verify(own, '--checkpoint', earlier, '--consistency', proof), {
    code: 3,
    out: /nothing of it was rewritten/,
  });
});
