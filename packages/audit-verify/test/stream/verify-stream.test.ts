import { test } from 'tap';
import { verifyStream, type StreamReport, type StreamVerifyOptions } from '../../src/index.ts';
import { describeStream } from '../../src/stream/describe-stream.ts';
import {
  checkpointNote,
  createSigner,
  hashesOf,
  rowLine,
  someRows,
} from '../export/write-export.ts';
import { consistencyProof } from '../log/reference-tree.ts';
import { endEvent, streamWriter } from './write-stream.ts';

const signer = createSigner();
const rows = someRows(40);
const hashes = hashesOf(rows);
const write = streamWriter(rows, signer);

/** Index 10 on: checkpoints at 10, 20 and 30. One text for each event. */
const whole = [
  write.opening(9),
  write.checkpoint(10),
  ...write.rows(10, 20),
  write.checkpoint(20),
  ...write.rows(20, 30),
  write.checkpoint(30),
  endEvent('token_expired'),
];
/** The place of an index in `whole`. */
const at = (index: number): number => 2 + (index - 10) + (index >= 20 ? 1 : 0);

const verify = (
  events: readonly string[],
  options: Partial<StreamVerifyOptions> = {},
): StreamReport => verifyStream([events.join('')], { keys: [signer.key], ...options });
const found = ({ verdict, findings }: StreamReport): unknown[] => [
  verdict,
  ...findings.map(({ code, index }) => [code, index]),
];

test('a stream that missed nothing is proven from its beginning to its last checkpoint', (t) => {
  const report = verify(whole);
  t.match(report, {
    verdict: 'proven',
    findings: [],
    proven: [10, 29],
    first_index: 10,
    rows: 20,
    unproven_rows: 0,
    left_out: 0,
    connections: 1,
    checkpoints: 3,
    checkpoint: { size: 30, origin: signer.origin },
    end: 'token_expired',
  });
  t.match(report.personal, { matched: 6, withheld: 3 });
  const text = describeStream('s.txt', report);
  t.match(text, /^PROVEN {2}s\.txt\n/);
  t.match(text, /indexes 10 to 29: each entry of the log is here as it was sealed, none missing/);
  t.match(text, /begins +at index 10; of earlier entries nothing is said/);
  t.match(text, /the server said token_expired; of later entries nothing is said/);
  t.end();
});

test('how the bytes are cut, and what else a stream carries, makes no difference', (t) => {
  const noise = ['retry: 1000\nid: 9\n\n', ...whole.flatMap((event) => [event, ':\nid: 9\n\n'])];
  t.strictSame(verify(noise).proven, [10, 29]);
  t.strictSame(verify([noise.join('').replaceAll('\n', '\r\n')]).proven, [10, 29]);
  t.equal(verify(['event: news\ndata: {}\n\n', ...whole]).verdict, 'proven');
  t.end();
});

test('a removed event is named, wherever it is', (t) => {
  for (const index of [10, 15, 20, 28])
    t.strictSame(
      found(verify(whole.toSpliced(at(index), 1))),
      ['refuted', ['rows_missing', index]],
      `${index}`,
    );
  t.strictSame(
    found(verify(whole.toSpliced(at(29), 1))),
    ['refuted', ['cut_at_end', 29]],
    'the last before a checkpoint',
  );
  t.strictSame(found(verify(whole.toSpliced(at(12), 5))), ['refuted', ['rows_missing', 12]]);
  const hidden = [...whole.slice(0, at(15)), write.gap(15, 16), ...whole.slice(at(16))];
  t.strictSame(
    found(verify(hidden)),
    ['refuted', ['rows_missing', 15]],
    'nor can its hash stand for it',
  );
  t.end();
});

test('an altered event is found, with its hash too', (t) => {
  const altered = (whole[at(15)] ?? '').replace('FILE_UPLOAD', 'FILE_DELETE');
  t.strictSame(found(verify(whole.with(at(15), altered))), ['refuted', ['row_altered', 15]]);
  const record = (rows[15]?.record ?? '').replace('FILE_UPLOAD', 'FILE_DELETE');
  const rehashed = write.row(15, rowLine({ record, personal: null }, 15));
  const report = verify(whole.with(at(15), rehashed));
  t.strictSame(found(report), ['refuted', ['tree_mismatch', 10]], 'by the next checkpoint');
  t.match(report.findings[0]?.message, /indexes 10 to 19/);
  t.strictSame(found(verify(whole.with(at(15), 'event: audit\ndata: {"index":15}\n\n'))), [
    'refuted',
    ['row_altered', 15],
  ]);
  const values = (whole[at(12)] ?? '').replace('example.com', 'example.org');
  t.strictSame(found(verify(whole.with(at(12), values))), ['refuted', ['personal_altered', 12]]);
  t.end();
});

test('reordered and doubled events are named', (t) => {
  const [one = '', other = ''] = [whole[at(13)], whole[at(17)]];
  t.strictSame(found(verify(whole.with(at(13), other).with(at(17), one))), [
    'refuted',
    ['rows_swapped', 13],
  ]);
  t.strictSame(found(verify(whole.toSpliced(at(14), 0, one))), ['refuted', ['row_doubled', 13]]);
  t.end();
});

test('a checkpoint counts only by the pinned key, and only behind its entries', (t) => {
  const foreign = streamWriter(rows, createSigner()).checkpoint(20);
  t.strictSame(found(verify(whole.with(at(20) - 1, foreign))), [
    'refuted',
    ['checkpoint_other_key', undefined],
  ]);
  const forged = whole[at(20) - 1]?.replace(/\\n20\\n/, '\\n21\\n') ?? '';
  t.strictSame(found(verify(whole.with(at(20) - 1, forged))), [
    'refuted',
    ['checkpoint_forged', undefined],
  ]);
  t.match(
    verify(whole.toSpliced(at(20) - 1, 1)),
    { verdict: 'proven', checkpoints: 2 },
    'the next one stands for a lost one',
  );
  const early = whole.toSpliced(-2, 1).toSpliced(at(29), 0, write.checkpoint(30));
  t.match(verify(early), { verdict: 'incomplete', proven: [10, 19], unproven_rows: 10 });
  t.end();
});

test('rows behind the last checkpoint are not proven, and the report says so', (t) => {
  const cut = verify(whole.slice(0, at(26)));
  t.match(cut, { verdict: 'incomplete', proven: [10, 19], unproven_rows: 6, end: null });
  t.match(describeStream('s', cut), /6 rows that no checkpoint covers; the recording ends without/);
  const event = whole[at(25)] ?? '';
  const half = [...whole.slice(0, at(25)), event.slice(0, event.length / 2)];
  t.match(
    verify(half),
    { verdict: 'incomplete', rows: 15, findings: [], resume_after: 24 },
    'half an event is none, and is asked for again',
  );
  t.match(verify([write.opening(9)]), { verdict: 'incomplete', proven: null });
  t.match(verify([write.opening(9), write.checkpoint(10)]), { verdict: 'proven', proven: null });
  t.end();
});

test('a stream that begins in the middle proves what follows, of the same log', (t) => {
  t.match(verify(whole, { after: 9 }), { verdict: 'proven' });
  t.strictSame(
    found(verify(whole, { after: 4 })),
    ['refuted', ['rows_missing', 5]],
    'it begins later than was asked for',
  );
  const other = streamWriter(someRows(40), signer).opening(9);
  t.match(found(verify(whole.with(0, other))), ['refuted', ['tree_mismatch', 9]]);
  t.match(verify(whole.slice(1)), { verdict: 'unreadable', unproven_rows: 20 }, 'no opening');
  t.match(verify(['event: audit\ndata: {"index":1}\n\n']), { verdict: 'unreadable' });
  t.match(describeStream('s', verify([])), /record the stream with proof=true/);
  t.end();
});

test('a filtered stream proves its rows and says what it cannot prove', (t) => {
  const filter = { action: 'FILE_UPLOAD' };
  const filtered = [
    write.opening(9, filter),
    ...write.rows(10, 13),
    write.gap(13, 17),
    ...write.rows(17, 18),
    write.gap(18, 20),
    write.checkpoint(20),
  ];
  const report = verify(filtered);
  t.match(report, { verdict: 'incomplete', findings: [], left_out: 6, rows: 4, filter });
  t.match(
    describeStream('s', report),
    /6 other entries not in here, chosen by {"action":"FILE_UPLOAD"}. Whether a row that matches/,
  );
  t.strictSame(
    found(verify(filtered.toSpliced(2, 1))),
    ['refuted', ['rows_missing', 11]],
    'a row that was taken out behind the filter',
  );
  const forged = write.gap(13, 17).replace(/"hashes":\["../, '"hashes":["AA');
  t.strictSame(found(verify(filtered.with(4, forged))), ['refuted', ['tree_mismatch', 10]]);
  t.match(
    verify([write.opening(9, filter), ...whole.slice(1)]),
    { verdict: 'proven' },
    'a filter that left nothing out',
  );
  t.end();
});

test('connections that follow each other prove one stream, and a hole between them shows', (t) => {
  const first = whole.slice(0, at(14)).join('');
  const cutEvent = (whole[at(14)] ?? '').slice(0, 40);
  const recordings = (...parts: string[]) => verifyStream(parts, { keys: [signer.key] });
  const resumed = [write.opening(13), ...whole.slice(at(14))].join('');
  t.match(recordings(first + cutEvent, resumed), {
    verdict: 'proven',
    proven: [10, 29],
    connections: 2,
    unproven_rows: 0,
  });
  t.match(recordings(first + resumed), { verdict: 'proven' }, 'in one recording too');
  const late = [write.opening(15), ...whole.slice(at(16))].join('');
  t.strictSame(found(recordings(first, late)), ['refuted', ['rows_missing', 14]]);
  const other = streamWriter(someRows(40), signer);
  const rewritten = [other.opening(13), ...other.rows(14, 20), other.checkpoint(20)].join('');
  t.strictSame(found(recordings(first, rewritten)), ['refuted', ['history_rewritten', 14]]);
  const repeated = [other.opening(13), ...other.rows(14, 24), other.checkpoint(24)].join('');
  t.match(
    found(recordings(whole.slice(0, at(20)).join(''), repeated)),
    ['refuted', ['history_rewritten', 19]],
    'a second history, though it is signed too',
  );
  const again = [write.opening(11), ...whole.slice(at(12))].join('');
  t.match(
    recordings(first, again),
    { verdict: 'incomplete', unproven_rows: 4 },
    'rows that came twice were covered once',
  );
  t.end();
});

test('a stream is compared with a checkpoint that was kept', (t) => {
  const earlier = (size: number) => checkpointNote(hashes.slice(0, size), signer);
  const outcome = (options: Partial<StreamVerifyOptions>) => verify(whole, options).consistency;
  t.match(outcome({ earlier: earlier(15) }), { outcome: 'proven' });
  t.match(outcome({ earlier: earlier(5) }), {
    outcome: 'unproven',
    needed: /consistency\?from=5&to=30/,
  });
  const proof = consistencyProof(hashes.slice(0, 30), 5).map((hash) => hash.toString('base64'));
  t.match(verify(whole, { earlier: earlier(5), consistencyProof: proof }), {
    verdict: 'proven',
    consistency: { outcome: 'proven' },
  });
  const other = checkpointNote(hashesOf(someRows(15)), signer);
  t.strictSame(found(verify(whole, { earlier: other })), [
    'refuted',
    ['history_rewritten', undefined],
  ]);
  t.end();
});
