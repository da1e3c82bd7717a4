import { test } from 'tap';
import { csvField, parseCsvField } from '@muniment/server';
import { csv } from '../../export/csv.ts';
import { aRow, written } from './rows.ts';

/** RFC 4180 by its grammar. */
function parse(text: string): string[][] {
  const rows: string[][] = [[]];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  for (let match = field.exec(text); match; match = field.exec(text)) {
    rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '\r\n') rows.push([]);
  }
  if (rows.pop()?.length !== 0) throw new Error('the file does not end with a row');
  return rows;
}

test("every row has the header's columns, whatever its texts contain", async (t) => {
  const evil = 'a","b\r\n=1+1,"c';
  const rows = parse(
    await written(csv, [
      aRow(0, { error: evil, resource: '', metadata: { note: evil } }),
      aRow(1, {}, null),
    ]),
  );
  const [head = [], first = [], second = []] = rows;
  t.equal(rows.length, 3);
  t.ok(rows.every((row) => row.length === head.length));
  const of = (row: string[], column: string): string | undefined => row[head.indexOf(column)];
  t.equal(of(first, 'error'), evil);
  t.same(JSON.parse(of(first, 'metadata') ?? ''), { note: evil });
  t.match(
    [of(first, 'index'), of(first, 'email'), of(first, 'ip')],
    ['0', 'ada@example.com', '192.0.2.7'],
  );
  t.match([of(second, 'index'), of(second, 'email')], ['1', '']);
  t.end();
});

test('no field begins a formula of a spreadsheet', (t) => {
  for (const start of [
    '=',
    '+',
    '-',
    '@',
    '\t',
    '\r',
    '\n',
    ' =',
    '\u00a0=',
    '\ufeff=',
    '\t=',
    '\uff1d',
    '\uff0b',
    '\uff0d',
    '\uff20',
  ]) {
    const text = `${start}cmd|' /C calc'!A0`;
    t.match(csvField(text), /^"'/, JSON.stringify(start));
    for (const typed of [text, `'${text}`, `''${text}`, `' ${text}`])
      t.equal(parseCsvField(csvField(typed).slice(1, -1)), typed);
  }
  t.equal(parseCsvField("'a=1"), "'a=1", 'an apostrophe of another text stays');
  t.equal(csvField('a=1'), '"a=1"');
  t.equal(csvField('2026-01-01T00:00:00Z'), '"2026-01-01T00:00:00Z"');
  t.equal(csvField(null), '');
  t.equal(csvField(''), '""');
  t.equal(csvField(-7), '-7', 'a number of ours is one');
  t.end();
});
