import { test } from 'tap';
import { batchRecords } from '../src/kinesis.ts';

const records = (count: number, bytes: number) => Array.from({ length: count }, (_, lane) => ({ lane: lane % 16, text: 'x'.repeat(bytes) }));

test('a request has at most 500 records and 5 MiB, in the order given', (t) => {
  t.same(batchRecords(records(1_201, 10)).map((batch) => batch.length), [500, 500, 201]);
  const large = batchRecords(records(500, 16 * 1024));
  t.ok(large.length > 1);
  for (const batch of large) t.ok(batch.reduce((bytes, { text }) => bytes + text.length + 12, 0) <= 5 * 1024 * 1024);
  t.same(large.flat(), records(500, 16 * 1024));
  t.same(batchRecords([]), []);
  t.end();
});

test('bytes are counted, not characters', (t) => {
  const batches = batchRecords(Array.from({ length: 500 }, () => ({ lane: 0, text: '€'.repeat(5_000) })));
  for (const batch of batches) t.ok(batch.reduce((bytes, { text }) => bytes + Buffer.byteLength(text), 0) <= 5 * 1024 * 1024);
  t.end();
});
