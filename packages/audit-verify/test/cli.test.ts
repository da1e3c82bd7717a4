import { spawnSync } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test, type Test } from 'tap';
import type { Report, StreamReport } from '../src/index.ts';
import { consistencyProof } from './log/reference-tree.ts';
import {
  bytesOf,
  checkpointNote,
  createSigner,
  hashesOf,
  someRows,
  writeExport,
} from './export/write-export.ts';
import { streamWriter } from './stream/write-stream.ts';

const root = join(import.meta.dirname, '..');
const signer = createSigner();
const rows = someRows(40);
const hashes = hashesOf(rows);
const lines = writeExport({ signer, rows });

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

function run(
  args: readonly string[],
  { input, cli = join(root, 'src/cli.ts') }: { input?: Uint8Array; cli?: string } = {},
): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    input: input ?? '',
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

/** A folder with the key and these files. @returns their paths */
async function files<Name extends string>(
  t: Test,
  content: Record<Name, string | Uint8Array>,
): Promise<Record<Name | 'key', string>> {
  const folder = t.testdir();
  const paths: Record<string, string> = {};
  for (const [name, bytes] of Object.entries<string | Uint8Array>({
    key: `${signer.line}\n`,
    ...content,
  })) {
    paths[name] = join(folder, name);
    await writeFile(paths[name], bytes);
  }
  return paths as Record<Name | 'key', string>;
}

test('0: proven, from a file, from a gzip, from standard input', async (t) => {
  const { key, plain, packed } = await files(t, {
    plain: bytesOf(lines),
    packed: gzipSync(bytesOf(lines)),
  });
  for (const outcome of [
    run(['--key', key, plain]),
    run(['--key', key, packed]),
    run(['--key', key, '-'], { input: bytesOf(lines) }),
    run(['--key', key, '-'], { input: gzipSync(bytesOf(lines)) }),
  ]) {
    t.match(outcome, { code: 0, err: '', out: /^PROVEN {2}/ });
    t.match(outcome.out, /40 rows, index 0 to 39: all that the checkpoint holds, none left out/);
    t.match(outcome.out, /log.example\/audit, 40 leaves, root /);
    t.match(
      outcome.out,
      /14 rows with values, those that were sealed; 6 rows whose values are not in here/,
    );
    t.match(outcome.out, /2 lanes, each numbered without holes/);
  }
});

test('1: refuted, with the line and the index', async (t) => {
  const { key, altered } = await files(t, {
    altered: bytesOf(lines.with(8, (lines[8] as string).replace('UPLOAD', 'DELETE'))),
  });
  const { code, out } = run(['--key', key, altered]);
  t.equal(code, 1);
  t.match(out, /^REFUTED/);
  t.match(out, /line 9, index 7: row altered/);
});

test('1: a gzip cut short is an export cut at the end', async (t) => {
  const { key, cut } = await files(t, { cut: gzipSync(bytesOf(lines)).subarray(0, -200) });
  t.match(run(['--key', key, cut]), { code: 1, out: /cut at the end.*unexpected end of file/ });
});

test('2: nothing was checked', async (t) => {
  const { key, plain, other, empty } = await files(t, {
    plain: bytesOf(lines),
    other: 'id,action\n',
    empty: '',
  });
  const bad: [string[], RegExp][] = [
    [[], /usage/],
    [[plain], /usage/],
    [['--key', key], /usage/],
    [['--key', key, plain, plain], /usage/],
    [['--unknown', '--key', key, plain], /--unknown/],
    [['--key', `${key}x`, plain], /key cannot be read/],
    [['--key', empty, plain], /no key/],
    [['--key', plain, plain], /not a verifier key/],
    [['--key', key, `${plain}x`], /export cannot be read/],
    [['--key', key, root], /export cannot be read/],
    [['--key', key, '--checkpoint', `${plain}x`, plain], /checkpoint cannot be read/],
    [['--key', key, '--consistency', plain, plain], /not an answer/],
  ];
  for (const [args, message] of bad)
    t.match(run(args), { code: 2, out: '', err: message }, args.join(' '));
  t.match(run(['--key', key, other]), { code: 2, out: /NOT AN EXPORT/ });
  t.match(run(['--key', key, '--help']), { code: 0, out: /usage/ });
});

test('3: nothing wrong, and not complete; 0 where that is allowed', async (t) => {
  const { key, part } = await files(t, {
    part: bytesOf(
      writeExport({ signer, rows, include: (index) => index % 2 === 0, filter: { action: 'X' } }),
    ),
  });
  t.match(run(['--key', key, part]), { code: 3, out: /^PROVEN, BUT NOT COMPLETE/ });
  t.match(
    run(['--key', key, part]).out,
    /20 rows, index 0 to 38, each as it was sealed; 20 other rows not in here: chosen by the filter {"action":"X"}/,
  );
  t.equal(run(['--key', key, '--allow-incomplete', part]).code, 0);
});

test('an earlier checkpoint, and the proof where one is needed', async (t) => {
  const proof = JSON.stringify({
    old: '',
    new: '',
    hashes: consistencyProof(hashes, 21).map((hash) => hash.toString('base64')),
  });
  const { key, plain, tail, earlier, other, consistency } = await files(t, {
    plain: bytesOf(lines),
    tail: bytesOf(writeExport({ signer, rows, include: (index) => index >= 32, after: 31 })),
    consistency: proof,
    earlier: checkpointNote(hashes.slice(0, 21), signer),
    other: checkpointNote(hashes.slice(1, 22), signer),
  });
  t.match(run(['--key', key, '--checkpoint', earlier, plain]), {
    code: 0,
    out: /with the earlier checkpoint of 21 leaves: nothing of it was rewritten/,
  });
  t.match(run(['--key', key, '--checkpoint', other, plain]), { code: 1, out: /history rewritten/ });
  t.match(run(['--key', key, '--checkpoint', earlier, tail]), {
    code: 3,
    out: /NOT SHOWN: needs the answer of GET \/api\/audit\/consistency\?from=21&to=40/,
  });
  t.match(run(['--key', key, '--checkpoint', earlier, '--consistency', consistency, tail]), {
    code: 3,
    out: /nothing of it was rewritten/,
  });
});

test('recordings of a stream, in their order', async (t) => {
  const write = streamWriter(rows, signer);
  const { key, one, two } = await files(t, {
    one: [write.opening(-1), ...write.rows(0, 12), 'id: 12\nevent: au'].join(''),
    two: gzipSync([write.opening(11), ...write.rows(12, 30), write.checkpoint(30)].join('')),
  });
  const stream = ['stream', '--key', key];
  t.match(run([...stream, '--after', '-1', one, two]), { code: 0, err: '', out: /^PROVEN {2}/ });
  t.match(run([...stream, two, one]), { code: 3, out: /12 rows that no checkpoint covers/ });
  t.match(run([...stream, one]), { code: 3, out: /12 rows that no checkpoint covers/ });
  t.equal(run([...stream, '--allow-incomplete', one]).code, 0);
  t.match(run([...stream, '--after', '-1', two]), { code: 1, out: /missing: indexes 0 to 11/ });
  t.match(run([...stream, key]), { code: 2, out: /^NOT A STREAM WITH PROOFS/ });
  const report = JSON.parse(run([...stream, '--json', one, two]).out) as StreamReport;
  t.match(report, { verdict: 'proven', proven: [0, 29], connections: 2 });
  for (const args of [
    stream,
    ['stream', one],
    [...stream, `${one}x`],
    [...stream, '--after', 'x', one],
  ])
    t.match(run(args), { code: 2, out: '' }, args.join(' '));
});

test('the report as JSON', async (t) => {
  const { key, plain } = await files(t, { plain: bytesOf(lines) });
  const report = JSON.parse(run(['--json', '--key', key, plain]).out) as Report;
  t.match(report, { verdict: 'proven', rows: 40, checkpoint: { size: 40 }, findings: [] });
});

test('as others install it: JavaScript, with nothing but Node', async (t) => {
  const { key, plain } = await files(t, { plain: bytesOf(lines) });
  const folder = join(key, '../node_modules/@muniment/audit-verify');
  await mkdir(folder, { recursive: true });
  // Without what tap loads into every process that a test starts: the compiler does not bear it.
  const tsc = spawnSync(
    'env',
    [
      '-u',
      'NODE_OPTIONS',
      process.execPath,
      join(root, '../../node_modules/typescript/bin/tsc'),
      '-p',
      'tsconfig.build.json',
      '--outDir',
      join(folder, 'dist'),
    ],
    { cwd: root, encoding: 'utf8' },
  );
  t.equal(tsc.status, 0, `${tsc.stdout}${tsc.stderr}`);
  await cp(join(root, 'package.json'), join(folder, 'package.json'));
  t.match(run(['--key', key, plain], { cli: join(folder, 'dist/cli.js') }), {
    code: 0,
    out: /^PROVEN/,
    err: '',
  });
});
