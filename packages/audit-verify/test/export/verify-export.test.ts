import { hash } from 'node:crypto';
import fc from 'fast-check';
import { test } from 'tap';
import { verifyExport, type Report, type VerifyOptions } from '../../src/index.ts';
import { consistencyProof } from '../log/reference-tree.ts';
import {
  bytesOf,
  checkpointNote,
  createSigner,
  gapLine,
  hashesOf,
  rowLine,
  someRows,
  writeExport,
  type ExportOptions,
} from './write-export.ts';

const signer = createSigner();
const rows = someRows(40);
const hashes = hashesOf(rows);
const lines = writeExport({ signer, rows });
const line = (index: number): string => lines[index + 1] as string;
const verifyLines = (
  content: readonly string[],
  options: Partial<VerifyOptions> = {},
): Promise<Report> => verifyExport([bytesOf(content)], { keys: [signer.key], ...options });
const verifyRows = (
  options: Partial<ExportOptions>,
  more: Partial<VerifyOptions> = {},
): Promise<Report> => verifyLines(writeExport({ signer, rows, ...options }), more);
const found = ({ verdict, findings }: Report): unknown[] => [
  verdict,
  ...findings.map(({ code, line: at, index }) => [code, at, index]),
];

test('a whole export is proven', async (t) => {
  const report = await verifyLines(lines);
  t.match(report, {
    verdict: 'proven',
    findings: [],
    findings_total: 0,
    checkpoint: { origin: signer.origin, size: 40 },
    rows: 40,
    first_index: 0,
    last_index: 39,
    left_out: 0,
    filter: null,
    after: null,
    next_cursor: null,
    consistency: null,
    personal: { matched: 14, withheld: 6 },
    lanes: [
      {
        lane: 'user/0',
        rows: 20,
        first_seq: 1,
        last_seq: 20,
        holes: [],
        holes_total: 0,
        disordered: 0,
      },
      {
        lane: 'user/1',
        rows: 20,
        first_seq: 1,
        last_seq: 20,
        holes: [],
        holes_total: 0,
        disordered: 0,
      },
    ],
  });
  t.equal((await verifyRows({ rows: [] })).verdict, 'proven', 'and so is that of an empty log');
});

test('how the bytes are cut into chunks makes no difference', async (t) => {
  const bytes = bytesOf(lines);
  for (const size of [1, 7, 1_000]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    );
    t.equal((await verifyExport(chunks, { keys: [signer.key] })).verdict, 'proven', `${size}`);
  }
  t.same(bytes, bytesOf(lines), 'the bytes given are left as they are');
});

test('a filtered or partial export is genuine, not complete', async (t) => {
  t.match(await verifyRows({ include: (index) => index % 3 === 1, filter: { action: 'LOGIN' } }), {
    verdict: 'incomplete',
    findings: [],
    rows: 13,
    first_index: 1,
    last_index: 37,
    left_out: 27,
  });
  t.match(
    await verifyRows({ include: (index) => index >= 10 && index < 30, after: 9, nextCursor: 'x' }),
    { verdict: 'incomplete', findings: [], rows: 20, after: 9, next_cursor: 'x' },
  );
  t.match(
    await verifyRows({ include: (index) => index >= 10 && index < 35, after: 9 }),
    { verdict: 'incomplete', findings: [], rows: 25 },
    'the last part of an export that was begun at 35 leaves',
  );
  t.match(await verifyRows({ include: () => false, filter: {} }), {
    verdict: 'incomplete',
    findings: [],
    rows: 0,
    left_out: 40,
  });
});

test('a key that was rotated in stands beside the one before', async (t) => {
  const next = createSigner(signer.origin);
  t.equal((await verifyLines(lines, { keys: [next.key, signer.key] })).verdict, 'proven');
  t.same(
    (await verifyRows({ signer: next }, { keys: [signer.key, next.key] })).checkpoint?.signed_by
      .length,
    1,
  );
});

// ---- the mutations, each by its name

test('a row altered', async (t) => {
  const altered = lines.with(8, line(7).replace('FILE_UPLOAD', 'FILE_UPLOAE'));
  t.same(found(await verifyLines(altered)), ['refuted', ['row_altered', 9, 7]]);
  const hashAltered = lines.with(
    8,
    line(7).replace(/"hash":"./, (match) => match.replace(/.$/, match.endsWith('A') ? 'B' : 'A')),
  );
  t.same(found(await verifyLines(hashAltered)), ['refuted', ['row_altered', 9, 7]]);
  for (const broken of [
    '',
    '{}',
    'null',
    line(7).slice(1),
    `${line(7)} `,
    line(7).replace(/\}$/, ',"event":{}}'),
    line(7).replace('"personal":', '"personal":null,"personal":'),
  ]) {
    t.same(
      found(await verifyLines(lines.with(8, broken))),
      ['refuted', ['row_altered', 9, 7]],
      broken.slice(0, 20),
    );
  }
  t.same(
    found(await verifyLines(lines.with(1, '{'))),
    ['refuted', ['row_altered', 2, 0]],
    'the first',
  );
  t.same(
    found(await verifyLines(lines.with(40, '{'))),
    ['refuted', ['row_altered', 41, 39]],
    'the last',
  );
  t.same(
    found(await verifyLines(lines.toSpliced(8, 0, 'junk'))),
    ['refuted', ['row_altered', 9, 7]],
    'a line more',
  );
});

test('an altered row with an altered hash is found by the tree', async (t) => {
  const forged = rowLine(
    {
      record: (rows[20] as { record: string }).record.replace('FILE_UPLOAD', 'FILE_DELETE'),
      personal: null,
    },
    20,
  );
  const report = await verifyLines(lines.with(21, forged));
  t.same(found(report), ['refuted', ['tree_mismatch', undefined, undefined]]);
  const above = await verifyLines(lines.with(21, forged), {
    earlier: checkpointNote(hashes.slice(0, 15), signer),
  });
  t.match(above.findings[0]?.message, /at index 15 or above/);
  const below = await verifyLines(lines.with(21, forged), {
    earlier: checkpointNote(hashes.slice(0, 21), signer),
  });
  t.match(below.findings[0]?.message, /below index 21/);
});

test('a row missing', async (t) => {
  t.same(found(await verifyLines(lines.toSpliced(8, 1))), [
    'refuted',
    ['rows_missing', undefined, 7],
  ]);
  t.match((await verifyLines(lines.toSpliced(8, 3))).findings, [
    { code: 'rows_missing', index: 7, message: 'missing: indexes 7 to 9' },
  ]);
  t.same(
    found(await verifyLines(lines.toSpliced(1, 1))),
    ['refuted', ['rows_missing', undefined, 0]],
    'the first',
  );
  t.same(
    found(await verifyLines(lines.toSpliced(8, 1).toSpliced(20, 1))),
    ['refuted', ['rows_missing', undefined, 7], ['rows_missing', undefined, 20]],
    'two',
  );
});

test('a missing row with its hash in place is found in a whole export', async (t) => {
  t.same(
    found(
      await verifyLines(
        lines.with(8, gapLine(hashes, 7, 8)).with(41, '{"end":{"rows":39,"next_cursor":null}}'),
      ),
    ),
    ['refuted', ['rows_missing', 9, 7]],
  );
  t.match(
    await verifyRows({ include: (index) => index !== 7, filter: {} }),
    { verdict: 'incomplete', lanes: [{}, { lane: 'user/1', holes: [[4, 4]], holes_total: 1 }] },
    'under a filter the hole in its lane still shows',
  );
  t.same(
    found(await verifyRows({ include: (index) => index > 10, after: 9 })),
    ['refuted', ['rows_missing', 2, 0]],
    'a part that begins later than it says',
  );
  t.same(
    found(await verifyRows({ include: (index) => index < 30 })),
    ['refuted', ['rows_missing', 32, 30]],
    'a part that ends without saying so',
  );
});

test('a row doubled', async (t) => {
  t.same(found(await verifyLines(lines.toSpliced(9, 0, line(7)))), [
    'refuted',
    ['row_doubled', 10, 7],
  ]);
  t.same(
    found(await verifyLines(lines.toSpliced(21, 0, line(7)))),
    ['refuted', ['row_doubled', 22, 7]],
    'further below',
  );
  t.same(
    found(await verifyLines(lines.toSpliced(41, 0, line(39)))),
    ['refuted', ['row_doubled', 42, 39]],
    'the last',
  );
  t.same(
    found(await verifyLines(lines.with(10, line(7)))),
    ['refuted', ['row_doubled', 11, 7], ['rows_missing', undefined, 9]],
    'in place of another',
  );
});

test('rows swapped', async (t) => {
  const swapped = (a: number, b: number): string[] =>
    lines.with(a + 1, line(b)).with(b + 1, line(a));
  t.same(found(await verifyLines(swapped(7, 8))), ['refuted', ['rows_swapped', 9, 7]]);
  t.same(found(await verifyLines(swapped(7, 30))), ['refuted', ['rows_swapped', 9, 7]]);
  t.same(found(await verifyLines(swapped(0, 39))), ['refuted', ['rows_swapped', 2, 0]]);
  t.match(
    (await verifyLines(swapped(7, 30))).findings[0]?.message,
    /index 7 and index 30 \(line 32\)/,
  );
});

test('swapped records are found with and without their hashes', async (t) => {
  const swapRecords = (take: RegExp): string[] => {
    const [a, b] = [take.exec(line(7)), take.exec(line(30))] as [RegExpExecArray, RegExpExecArray];
    return lines
      .with(
        8,
        line(7).replace(take, () => b[0]),
      )
      .with(
        31,
        line(30).replace(take, () => a[0]),
      );
  };
  const records = await verifyLines(swapRecords(/^\{"event":.*(?=,"index":\d+,"hash")/));
  t.match(
    records.findings.filter(({ code }) => code === 'rows_swapped'),
    [{ line: 9, index: 7 }],
  );
  t.same(found(await verifyLines(swapRecords(/,"index":\d+(?=,"hash")/))), [
    'refuted',
    ['rows_swapped', 9, 7],
  ]);
  const [seven, thirty] = [rowLine(rows[30] as never, 7), rowLine(rows[7] as never, 30)];
  t.same(found(await verifyLines(lines.with(8, seven).with(31, thirty))), [
    'refuted',
    ['tree_mismatch', undefined, undefined],
  ]);
});

test('rows out of order', async (t) => {
  const moved = lines.toSpliced(8, 1).toSpliced(20, 0, line(7));
  t.match(
    await verifyLines(moved),
    { verdict: 'refuted', findings: [{ code: 'rows_swapped' }] },
    'one row moved: it changed places with a range',
  );
  const turned = [
    ...lines.slice(0, 6),
    ...lines.slice(20, 30),
    ...lines.slice(13, 20),
    ...lines.slice(6, 13),
    ...lines.slice(30),
  ];
  t.ok(
    (await verifyLines(turned)).findings.every(
      ({ code }) => code === 'out_of_order' || code === 'rows_swapped',
    ),
  );
  t.match(
    await verifyLines([
      lines[0] as string,
      ...lines.slice(1, 41).toReversed(),
      lines[41] as string,
    ]),
    { verdict: 'refuted', findings_total: 20 },
  );
});

test('cut at the end', async (t) => {
  t.same(found(await verifyLines(lines.slice(0, 30))), ['refuted', ['cut_at_end', 31, 29]]);
  t.same(
    found(await verifyLines(lines.slice(0, 41))),
    ['refuted', ['cut_at_end', 42, 40]],
    'only the last line',
  );
  t.same(
    found(await verifyLines(lines.slice(0, 1))),
    ['refuted', ['cut_at_end', 2, 0]],
    'all but the header',
  );
  t.same(
    found(await verifyLines(lines.toSpliced(30, 11))),
    ['refuted', ['cut_at_end', undefined, 29]],
    'the last line put back',
  );
  t.same(
    found(
      await verifyLines(
        lines
          .toSpliced(30, 11, gapLine(hashes, 29, 40))
          .with(31, '{"end":{"rows":29,"next_cursor":null}}'),
      ),
    ),
    ['refuted', ['rows_missing', 31, 29]],
    'hashes in their place',
  );
  const bytes = bytesOf(lines);
  for (const length of [bytes.length - 1, bytes.length - 20, bytes.length - 700, 5_000]) {
    t.match(
      await verifyExport([bytes.subarray(0, length)], { keys: [signer.key] }),
      { verdict: 'refuted', findings: [{ code: 'cut_at_end' }], findings_total: 1 },
      `${length}`,
    );
  }
});

test('a stream that breaks off is judged as far as it came', async (t) => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield bytesOf(lines.slice(0, 30));
    throw new Error('unexpected end of file');
  }
  const report = await verifyExport(broken(), { keys: [signer.key] });
  t.same(found(report), ['refuted', ['cut_at_end', 31, 29]]);
  t.match(report.findings[0]?.message, /unexpected end of file/);
});

test('rows beyond the end, the count or the checkpoint are found', async (t) => {
  t.same(found(await verifyLines([...lines, line(39)])), [
    'refuted',
    ['trailing_data', 43, undefined],
  ]);
  t.same(found(await verifyLines(lines.with(41, '{"end":{"rows":39,"next_cursor":null}}'))), [
    'refuted',
    ['end_altered', 42, undefined],
  ]);
  t.same(found(await verifyLines(lines.with(41, '{"end":{"rows":"40","next_cursor":null}}'))), [
    'refuted',
    ['end_altered', 42, 40],
  ]);
  const short = writeExport({ signer, rows, size: 39 });
  t.same(found(await verifyLines(short.toSpliced(40, 0, line(39)))), [
    'refuted',
    ['not_in_checkpoint', 41, 39],
  ]);
});

test('the checkpoint of a forger, of another log, or altered', async (t) => {
  const header = (checkpoint: string): string =>
    JSON.stringify({ muniment_export: 1, checkpoint, filter: null, after: null });
  const note = checkpointNote(hashes, signer);
  t.same(found(await verifyLines(lines, { keys: [createSigner().key] })), [
    'refuted',
    ['checkpoint_other_key', 1, undefined],
  ]);
  t.same(found(await verifyLines(lines.with(0, header(checkpointNote(hashes, createSigner()))))), [
    'refuted',
    ['checkpoint_other_key', 1, undefined],
  ]);
  t.same(found(await verifyLines(lines.with(0, header(note.replace('\n40\n', '\n39\n'))))), [
    'refuted',
    ['checkpoint_forged', 1, undefined],
  ]);
  t.same(found(await verifyLines(lines.with(0, header(note.slice(0, -1))))), [
    'refuted',
    ['checkpoint_malformed', 1, undefined],
  ]);
  t.same(
    found(await verifyLines(lines.with(0, header(checkpointNote(hashes.slice(0, 39), signer))))),
    ['refuted', ['not_in_checkpoint', 41, 39]],
    'an earlier one of the log itself',
  );
  t.same(
    found(
      await verifyLines(
        lines.with(0, header(checkpointNote(hashes.with(3, hashes[4] as Buffer), signer))),
      ),
    ),
    ['refuted', ['tree_mismatch', undefined, undefined]],
    'a genuine one of other rows',
  );
});

test('a duplicate member is refused', async (t) => {
  t.equal(
    (
      await verifyLines(
        lines.with(0, (lines[0] as string).replace('"filter":null', '"filter":{},"filter":null')),
      )
    ).verdict,
    'unreadable',
  );
  t.equal(
    (await verifyLines(lines.with(41, '{"end":{"rows":1,"rows":40,"next_cursor":null}}')))
      .findings[0]?.code,
    'end_altered',
  );
});

test('what is no export', async (t) => {
  for (const content of [
    [],
    [''],
    ['id,action'],
    ['{"data":[]}'],
    [JSON.stringify({ muniment_export: 2, checkpoint: '', filter: null, after: null })],
  ]) {
    t.match(
      await verifyLines(content),
      { verdict: 'unreadable', findings: [] },
      JSON.stringify(content),
    );
  }
});

test('hashes in place of rows left out', async (t) => {
  const content = writeExport({
    signer,
    rows,
    include: (index) => index < 10 || index > 20,
    filter: {},
  });
  const at = content.findIndex((text) => text.startsWith('{"gap"'));
  const gap = JSON.parse(content[at] as string) as { gap: [number, number]; hashes: string[] };
  const wrong = (change: Partial<typeof gap>): Promise<Report> =>
    verifyLines(content.with(at, JSON.stringify({ ...gap, ...change })));
  t.same(found(await wrong({ hashes: gap.hashes.toReversed() })), [
    'refuted',
    ['tree_mismatch', undefined, undefined],
  ]);
  t.equal((await wrong({ hashes: gap.hashes.slice(1) })).findings[0]?.code, 'gap_altered');
  t.equal((await wrong({ gap: [10, 20] })).findings[0]?.code, 'gap_altered', 'other subtrees');
  t.equal((await wrong({ gap: [21, 10] })).findings[0]?.code, 'gap_altered');
  t.equal(
    (await verifyLines(content.with(at, (content[at] as string).replace('{', '{ ')))).verdict,
    'refuted',
  );
  t.equal((await verifyLines(content.toSpliced(at, 1))).findings[0]?.code, 'rows_missing');
});

test('personal values that are not those committed to', async (t) => {
  const swapPersonal = lines.with(
    10,
    line(9).replace(
      /"personal":\{"salt[^]*$/,
      () => /"personal":\{"salt[^]*$/.exec(line(12))?.[0] as string,
    ),
  );
  t.same(found(await verifyLines(swapPersonal)), ['refuted', ['personal_altered', 11, 9]]);
  t.same(found(await verifyLines(lines.with(10, line(9).replace('ädä9', 'ädä8')))), [
    'refuted',
    ['personal_altered', 11, 9],
  ]);
  const invented = { salt: 'AAAA', values: '{}' };
  t.same(
    found(
      await verifyLines(
        lines.with(2, rowLine({ ...(rows[1] as { record: string }), personal: invented }, 1)),
      ),
    ),
    ['refuted', ['personal_altered', 3, 1]],
    'of an event that has none',
  );
  const without = lines.with(10, line(9).replace(/"personal":\{"salt[^]*$/, '"personal":null}'));
  t.match(
    await verifyLines(without),
    { verdict: 'proven', personal: { matched: 13, withheld: 7 } },
    'leaving them out is no lie',
  );
});

test('an archive keeps the ciphertext beside, outside the leaf', async (t) => {
  const sealed = lines
    .with(
      10,
      line(9).replace(/\}$/, ',"sealed_personal":{"key_id":"k","nonce":"n","ciphertext":"c"}}'),
    )
    .with(11, line(10).replace(/\}$/, ',"sealed_personal":null}'));
  t.equal((await verifyLines(sealed)).verdict, 'proven');
  t.equal(
    (await verifyLines(lines.with(10, line(9).replace(/\}$/, ',"more":1}')))).verdict,
    'refuted',
  );
});

// ---- against an earlier checkpoint

test('only earlier checkpoints of the same history are proven', async (t) => {
  for (let size = 0; size <= 40; size += 1) {
    const earlier = checkpointNote(hashes.slice(0, size), signer);
    t.match(
      await verifyLines(lines, { earlier }),
      { verdict: 'proven', consistency: { earlier_size: size, outcome: 'proven' } },
      `${size}`,
    );
    if (size === 0) continue;
    const other = checkpointNote(
      hashes.slice(0, size).with(size - 1, hashes[size % 40] as Buffer),
      signer,
    );
    t.match(
      await verifyLines(lines, { earlier: other }),
      {
        verdict: 'refuted',
        consistency: { outcome: 'refuted' },
        findings: [{ code: 'history_rewritten' }],
        findings_total: 1,
      },
      `${size}`,
    );
  }
});

test('an earlier size among omitted rows names the proof it needs', async (t) => {
  const options = { include: (index: number): boolean => index >= 32, filter: {} };
  const earlier = checkpointNote(hashes.slice(0, 21), signer);
  const without = await verifyRows(options, { earlier });
  t.match(without, { verdict: 'incomplete', consistency: { outcome: 'unproven' } });
  t.match(without.consistency?.needed, /consistency\?from=21&to=40/);
  const proof = consistencyProof(hashes, 21).map((hash_) => hash_.toString('base64'));
  t.match(await verifyRows(options, { earlier, consistencyProof: proof }), {
    verdict: 'incomplete',
    consistency: { outcome: 'proven' },
    findings: [],
  });
  t.match(
    await verifyRows(options, { earlier, consistencyProof: proof.with(0, proof[1] as string) }),
    { verdict: 'refuted', findings: [{ code: 'consistency_proof_wrong' }] },
  );
  t.match(await verifyRows(options, { earlier, consistencyProof: ['x'] }), {
    verdict: 'refuted',
    findings: [{ code: 'consistency_proof_wrong' }],
  });
  t.match(
    await verifyRows(options, { earlier: checkpointNote(hashes.slice(0, 32), signer) }),
    { consistency: { outcome: 'proven' } },
    'where a subtree ends, none is needed',
  );
});

test('an export older than the saved checkpoint is not proven', async (t) => {
  const earlier = checkpointNote(hashes, signer);
  const report = await verifyRows({ size: 30 }, { earlier });
  t.match(report, {
    verdict: 'incomplete',
    consistency: { earlier_size: 40, outcome: 'unproven' },
  });
  t.match(report.consistency?.needed, /from=30&to=40/);
  t.match(
    await verifyRows(
      { size: 30 },
      {
        earlier,
        consistencyProof: consistencyProof(hashes, 30).map((hash_) => hash_.toString('base64')),
      },
    ),
    { verdict: 'proven', consistency: { outcome: 'proven' } },
  );
});

test('an earlier checkpoint that cannot be relied on is not relied on', async (t) => {
  t.match(await verifyLines(lines, { earlier: checkpointNote(hashes, createSigner()) }), {
    verdict: 'refuted',
    findings: [{ code: 'earlier_checkpoint_forged' }],
  });
  t.match(await verifyLines(lines, { earlier: 'nothing of the kind' }), {
    verdict: 'refuted',
    findings: [{ code: 'earlier_checkpoint_forged' }],
  });
});

// ---- any mutation

const scenes = [
  lines,
  writeExport({ signer, rows, include: (index) => index % 7 < 4, filter: { action: 'X' } }),
  writeExport({
    signer,
    rows,
    include: (index) => index >= 10 && index < 31,
    after: 9,
    nextCursor: 'x',
  }),
];
const kept = checkpointNote(hashes.slice(0, 12), signer);

test('no byte can be altered, removed or added unnoticed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...scenes),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom('alter', 'remove', 'add'),
      async (scene, where, by, how) => {
        const bytes = bytesOf(scene);
        const at = where % bytes.length;
        const altered = Buffer.of(((bytes[at] as number) + by) % 256);
        const mutated = Buffer.concat([
          bytes.subarray(0, at),
          ...(how === 'remove' ? [] : [altered]),
          bytes.subarray(how === 'add' ? at : at + 1),
        ]);
        if (mutated.equals(bytes)) return true;
        const report = await verifyExport([mutated], { keys: [signer.key], earlier: kept });
        // What the header says of itself is not signed: which filter there was, where the parts begin, and the cursor of the next.
        const said = /^.*"filter":.*$|^\{"end".*$/;
        const lineAt = bytes.subarray(0, at).toString('latin1').split('\n').length - 1;
        if (said.test(scene[lineAt] as string) && report.verdict !== 'proven') return true;
        return report.verdict === 'refuted' || report.verdict === 'unreadable';
      },
    ),
    { numRuns: 3_000 },
  );
});

test('no lines can be removed, doubled, moved or cut off unnoticed', async () => {
  const mutations: Record<string, (scene: readonly string[], a: number, b: number) => string[]> = {
    remove: (scene, a, b) => scene.toSpliced(a, 1 + (b % 3)),
    double: (scene, a, b) => scene.toSpliced(b, 0, scene[a] as string),
    replace: (scene, a, b) => scene.with(a, scene[b] as string),
    swap: (scene, a, b) => scene.with(a, scene[b] as string).with(b, scene[a] as string),
    move: (scene, a, b) => scene.toSpliced(a, 1).toSpliced(b, 0, scene[a] as string),
    cut: (scene, a) => scene.slice(0, a),
    reverse: (scene, a, b) => [
      ...scene.slice(0, Math.min(a, b)),
      ...scene.slice(Math.min(a, b), Math.max(a, b) + 1).toReversed(),
      ...scene.slice(Math.max(a, b) + 1),
    ],
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...scenes),
      fc.nat(),
      fc.nat(),
      fc.constantFrom(...Object.keys(mutations)),
      async (scene, one, two, how) => {
        const mutated = (mutations[how] as (typeof mutations)[string])(
          scene,
          one % scene.length,
          two % scene.length,
        );
        if (bytesOf(mutated).equals(bytesOf(scene))) return true;
        const { verdict } = await verifyLines(mutated);
        return verdict === 'refuted' || verdict === 'unreadable';
      },
    ),
    { numRuns: 2_000 },
  );
});

test('the five mutations are named with their index, wherever they are', async () => {
  const index = fc.nat({ max: 39 });
  await fc.assert(
    fc.asyncProperty(index, index, fc.nat(), async (one, two, byte) => {
      const record = line(one).slice(0, line(one).lastIndexOf(',"index":'));
      const at = 9 + (byte % (record.length - 9));
      const altered = `${line(one).slice(0, at)}${line(one)[at] === 'x' ? 'y' : 'x'}${line(one).slice(at + 1)}`;
      const [low, high] = [Math.min(one, two), Math.max(one, two)];
      const expected: [string[], unknown[]][] = [
        [lines.with(one + 1, altered), ['row_altered', one + 2, one]],
        [lines.toSpliced(one + 1, 1), [one === 39 ? 'cut_at_end' : 'rows_missing', undefined, one]],
        [lines.toSpliced(high + 2, 0, line(low)), ['row_doubled', high + 3, low]],
        ...(low === high
          ? []
          : [
              [
                lines.with(low + 1, line(high)).with(high + 1, line(low)),
                ['rows_swapped', low + 2, low],
              ] satisfies [string[], unknown[]],
            ]),
        [lines.slice(0, one + 1), ['cut_at_end', one + 2, one]],
      ];
      for (const [content, finding] of expected) {
        const is = found(await verifyLines(content));
        if (JSON.stringify(is) !== JSON.stringify(['refuted', finding]))
          throw new Error(`${JSON.stringify(finding)} is ${JSON.stringify(is)}`);
      }
    }),
    { numRuns: 300 },
  );
});

test('no record can be replaced, whatever is fixed up around it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 39 }),
      fc.nat({ max: 39 }),
      fc.boolean(),
      async (at, by, asGap) => {
        if (at === by) return true;
        const forged = asGap
          ? JSON.stringify({ gap: [at, at + 1], hashes: [hash('sha256', 'x', 'base64')] })
          : rowLine(rows[by] as (typeof rows)[number], at);
        return (await verifyLines(lines.with(at + 1, forged))).verdict === 'refuted';
      },
    ),
    { numRuns: 300 },
  );
});

test('any choice of rows verifies with each checkpoint that its gaps allow', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
      fc.nat(),
      async (size, chosen, old) => {
        const report = await verifyRows(
          { size, include: (index) => chosen[index] === true, filter: {} },
          { earlier: checkpointNote(hashes.slice(0, old % (size + 1)), signer) },
        );
        return (
          report.findings_total === 0 &&
          report.rows === chosen.slice(0, size).filter(Boolean).length &&
          report.consistency?.outcome !== 'refuted'
        );
      },
    ),
    { numRuns: 500 },
  );
});
