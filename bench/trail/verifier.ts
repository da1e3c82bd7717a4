import { hash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import {
  createSigner,
  rowLine,
  signedNote,
  someRows,
  type TestRow,
} from '../../packages/audit-verify/test/export/write-export.ts';
import {
  createCompactRange,
  formatCheckpoint,
  leafHash,
  type Report,
} from '../../packages/audit-verify/src/index.ts';
import type { Measurement } from '../report.ts';

const ROWS = 300_000;
/** Fills a row up to about 600 bytes. */
const FILL = 'f'.repeat(40);
const ROUNDS = 3;

const best = (rates: readonly number[]): number => Math.max(...rates);

interface SignedExport {
  content: Buffer;
  keyLine: string;
  leaves: Buffer[];
}

function createExport(rows: readonly TestRow[]): SignedExport {
  const signer = createSigner();
  const leaves = rows.map(({ record }) => Buffer.from(record));
  const range = createCompactRange();
  for (const leaf of leaves) range.append(leafHash(leaf));
  const checkpoint = signedNote(
    formatCheckpoint({ origin: signer.origin, size: range.size, root: range.root() }),
    signer,
  );
  const lines = [
    JSON.stringify({ muniment_export: 1, checkpoint, filter: null, after: null }),
    ...rows.map(rowLine),
    JSON.stringify({ end: { rows: rows.length, next_cursor: null } }),
    '',
  ];
  return { content: Buffer.from(lines.join('\n')), keyLine: signer.line, leaves };
}

/** Leaves per second of the hashing that any verifier must do: each leaf and one inner node. */
function hashingRate(leaves: readonly Buffer[]): number {
  const node = Buffer.alloc(65);
  let last = '';
  const started = performance.now();
  for (const leaf of leaves) {
    last = hash('sha256', leaf, 'base64');
    hash('sha256', node, 'binary');
  }
  if (last === '') throw new Error('Nothing was hashed.');
  return leaves.length / ((performance.now() - started) / 1000);
}

/** Verifies in its own process, so that the memory is the verifier's alone. */
function runVerifier(file: string, key: string): { seconds: number; peakMb: number } {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'verifier-child.ts'), file, key],
    { encoding: 'utf8' },
  );
  if (stdout === '') throw new Error(stderr);
  const {
    report,
    seconds,
    peak_mb: peakMb,
  } = JSON.parse(stdout) as { report: Report; seconds: number; peak_mb: number };
  if (report.verdict !== 'proven' || report.rows !== ROWS)
    throw new Error(`The export is not proven: ${JSON.stringify(report.findings)}`);
  return { seconds, peakMb };
}

/** Measures rows per second of `audit-verify` against SHA-256 alone over the same rows. */
export async function measureVerifier(): Promise<Measurement[]> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-verifier-'));
  try {
    const { content, keyLine, leaves } = createExport(
      someRows(ROWS, FILL).map(({ record }) => ({ record, personal: null })),
    );
    const [file, key] = [join(folder, 'export.ndjson'), join(folder, 'key.pub')] as const;
    await writeFile(file, content);
    await writeFile(key, keyLine);
    const limits: number[] = [];
    const rates: number[] = [];
    let peakMb = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      limits.push(hashingRate(leaves));
      const run = runVerifier(file, key);
      rates.push(ROWS / run.seconds);
      peakMb = Math.max(peakMb, run.peakMb);
    }
    const [rate, limit] = [best(rates), best(limits)];
    const percent = ((100 * rate) / limit).toFixed(0);
    const beside =
      `${limit.toFixed(0)}/s by SHA-256 alone (${percent} %), ` +
      `rows of ${Math.round(content.length / ROWS)} bytes`;
    // The goal is the lower of 200,000 and 60 % of hashing alone.
    return [
      {
        what: 'verifier',
        value: rate,
        unit: 'rows/s',
        goal: { atLeast: Math.min(200_000, Math.floor(limit * 0.6)) },
        beside,
      },
      {
        what: 'verifier, memory',
        value: peakMb,
        unit: 'MB',
        goal: { atMost: 200 },
        beside: `${(content.length / 1e6).toFixed(0)} MB of export`,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
