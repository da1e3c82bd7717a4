#!/usr/bin/env node
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { parseArgs } from 'node:util';
import { createGunzip } from 'node:zlib';
import { describe } from './export/describe.ts';
import { parseVerifierKey, type VerifierKey } from './log/note.ts';
import type { Report, Verdict } from './export/report.ts';
import { createExportVerification } from './export/verify-export.ts';

const USAGE = `usage: audit-verify --key FILE [--checkpoint FILE] [--consistency FILE] [--json] [--allow-incomplete] EXPORT

Verifies an export of the audit trail (format=ndjson; plain or gzip; - reads standard input) offline, trusting nothing but the key.

  --key FILE          the pinned public key: a C2SP verifier key, several lines after a rotation
  --checkpoint FILE   a signed checkpoint that was kept from earlier: history up to it must be the same
  --consistency FILE  the answer of GET /api/audit/consistency, where the export alone cannot show that (it then says so)
  --json              the report as JSON
  --allow-incomplete  ends with 0 also for what would end with 3

ends with 0  proven: every row up to the checkpoint, each as it was sealed
          1  refuted: what is wrong, and where
          2  nothing was checked: usage, a file that cannot be read, not an export
          3  nothing wrong, but rows are left out (a filter, a part), or consistency could not be shown
`;

const EXIT: Record<Verdict, number> = { proven: 0, refuted: 1, unreadable: 2, incomplete: 3 };
const READ_BYTES = 1 << 18;

/** Ends the command with 2. */
class UsageError extends Error {}

async function read(file: string, what: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`the ${what} cannot be read: ${error.message}`);
  });
}

async function readKeys(file: string): Promise<VerifierKey[]> {
  const lines = (await read(file, 'key'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new UsageError(`there is no key in ${file}`);
  try {
    return lines.map(parseVerifierKey);
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readProof(file: string): Promise<string[]> {
  const text = await read(file, 'proof of consistency');
  try {
    const { hashes } = JSON.parse(text) as { hashes?: unknown };
    if (Array.isArray(hashes) && hashes.every((hash) => typeof hash === 'string')) return hashes;
  } catch {
    // Reported below.
  }
  throw new UsageError(`${file} is not an answer of GET /api/audit/consistency`);
}

/** The bytes of a file, decompressed where they begin as gzip does. */
async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  const source =
    file === '-' ? process.stdin : createReadStream(file, { highWaterMark: READ_BYTES });
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let begin = Buffer.alloc(0);
  let isOver = false;
  while (begin.length < 2 && !isOver) {
    const { value, done } = await iterator.next();
    if (done) isOver = true;
    else begin = Buffer.concat([begin, value]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield begin;
    if (!isOver)
      for (let next = await iterator.next(); !next.done; next = await iterator.next())
        yield next.value;
  }
  if (begin[0] !== 0x1f || begin[1] !== 0x8b) yield* all();
  else
    yield* pipeline(
      all(),
      createGunzip({ chunkSize: READ_BYTES }),
      () => {},
    ) as AsyncIterable<Uint8Array>;
}

/** Whether the file could not be read. Errors of its content are findings instead. */
const isFileError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error;

async function run(args: string[]): Promise<{ text: string; code: number }> {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        key: { type: 'string' },
        checkpoint: { type: 'string' },
        consistency: { type: 'string' },
        json: { type: 'boolean' },
        'allow-incomplete': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
  const { values, positionals } = parsed;
  if (values.help) return { text: USAGE, code: 0 };
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0 || values.key === undefined)
    throw new UsageError(USAGE);

  const keys = await readKeys(values.key);
  const earlier =
    values.checkpoint === undefined ? undefined : await read(values.checkpoint, 'checkpoint');
  const consistencyProof =
    values.consistency === undefined ? undefined : await readProof(values.consistency);
  const verification = createExportVerification({ keys, earlier, consistencyProof });
  let report: Report;
  try {
    for await (const chunk of bytesOf(file)) verification.push(chunk);
    report = verification.end();
  } catch (error) {
    if (isFileError(error)) throw new UsageError(`the export cannot be read: ${error.message}`);
    report = verification.end(error instanceof Error ? error.message : String(error));
  }
  const code =
    report.verdict === 'incomplete' && values['allow-incomplete'] ? 0 : EXIT[report.verdict];
  return {
    text: values.json ? `${JSON.stringify(report, null, 2)}\n` : describe(file, report),
    code,
  };
}

try {
  const { text, code } = await run(process.argv.slice(2));
  process.stdout.write(text);
  process.exitCode = code;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message.trimEnd()}\n`);
  process.exitCode = 2;
}
