import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { Fleet } from '../../e2e/fleet.ts';
import type { Proven } from './check-proofs.ts';
import type { SavedCheckpoint } from './checkpoints.ts';
import type { CheckerAccount } from '../checker-account.ts';

const VERIFIER = join(import.meta.dirname, '../../../packages/audit-verify/src/cli.ts');

interface Report {
  verdict: string;
  rows: number;
  findings: unknown[];
}

/** Exports the log and has `audit-verify` prove it, from a checkpoint of early in the run. */
export async function checkExport(
  fleet: Fleet,
  { token, keyFile }: CheckerAccount,
  events: number,
  saved: readonly SavedCheckpoint[],
): Promise<Proven> {
  const answer = await fleet.call('GET', '/api/audit/export?format=ndjson', { token });
  if (!answer.ok || !answer.body)
    return wrong(0, `the export answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`);
  const folder = await mkdtemp(join(tmpdir(), 'muniment-chaos-'));
  try {
    const [file, checkpoint] = [join(folder, 'export.ndjson'), join(folder, 'checkpoint')];
    await pipeline(Readable.fromWeb(answer.body as ReadableStream), createWriteStream(file));
    const early = saved.find(({ size }) => size > 0);
    if (early) await writeFile(checkpoint, early.note);
    const { verdict, rows, findings } = await verify([
      '--key',
      keyFile,
      '--json',
      ...(early ? ['--checkpoint', checkpoint] : []),
      file,
    ]);
    if (verdict !== 'proven')
      return wrong(rows, `the export is ${verdict}: ${JSON.stringify(findings).slice(0, 500)}`);
    return rows < events
      ? wrong(rows, `the export has ${rows} rows, the trail had ${events} before`)
      : { count: rows, violations: [] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const wrong = (count: number, detail: string): Proven => ({
  count,
  violations: [{ kind: 'proof', detail }],
});

function verify(args: string[]): Promise<Report> {
  return new Promise((resolve, reject) => {
    // The report says everything that the exit code says.
    execFile(
      process.execPath,
      [VERIFIER, ...args],
      { maxBuffer: 16 * 1024 ** 2 },
      (error, stdout, stderr) => {
        if (stdout === '') reject(new Error(`the verifier: ${stderr}`, { cause: error }));
        else resolve(JSON.parse(stdout) as Report);
      },
    );
  });
}
