import { test } from 'tap';
import {
  formatCheckpoint,
  openCheckpoint,
  openNote,
  parseCheckpoint,
  parseVerifierKey,
} from '../../src/index.ts';
import { C2SP_CHECKPOINT, SUMDB, SUMDB_CHECKPOINT } from './vectors.ts';

const root = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';
const text = C2SP_CHECKPOINT.slice(0, C2SP_CHECKPOINT.indexOf('\n— '));

test("C2SP's example checkpoint is read and written byte for byte", (t) => {
  const checkpoint = parseCheckpoint(text);
  t.same(checkpoint, {
    origin: 'example.com/behind-the-sofa',
    size: 20852163,
    root: Buffer.from(root, 'base64'),
    extensions: [],
  });
  t.equal(formatCheckpoint(checkpoint), text);
  t.end();
});

test("a checkpoint that Go's checksum database has signed opens by its key", (t) => {
  const { text: signed, signatures } = openNote(SUMDB_CHECKPOINT, [parseVerifierKey(SUMDB)]);
  t.same(
    signatures.map(({ name }) => name),
    ['sum.golang.org'],
  );
  t.match(parseCheckpoint(signed), { origin: 'go.sum database tree', size: 445646 });
  t.throws(
    () => openNote(SUMDB_CHECKPOINT.replace('445646', '445647'), [parseVerifierKey(SUMDB)]),
    { code: 'signature_invalid' },
  );
  t.end();
});

test('a key speaks only for the log of its own name', (t) => {
  t.throws(() => openCheckpoint(SUMDB_CHECKPOINT, [parseVerifierKey(SUMDB)]), {
    code: 'note_unverified',
  });
  t.end();
});

test('a checkpoint keeps its extension lines', (t) => {
  t.same(parseCheckpoint(`${text}more\n`).extensions, ['more']);
  t.equal(parseCheckpoint(text.replace('20852163', '0')).size, 0);
  t.equal(
    formatCheckpoint({
      origin: 'o',
      size: 7,
      root: Buffer.from(root, 'base64'),
      extensions: ['a', 'b'],
    }),
    `o\n7\n${root}\na\nb\n`,
  );
  t.end();
});

test('any other spelling of a checkpoint is refused', (t) => {
  for (const size of [
    '',
    '-1',
    '+1',
    '01',
    '1.5',
    '1e3',
    ' 1',
    '1 ',
    '0x10',
    '９',
    '9007199254740992',
    '99999999999999999999',
  ]) {
    t.throws(
      () => parseCheckpoint(text.replace('20852163', size)),
      { code: 'checkpoint_malformed' },
      size,
    );
  }
  for (const hash of [
    root.slice(0, -1),
    `${root}=`,
    root.replace('I=', 'J='),
    'AAAA',
    root.replace('/', '_'),
    ` ${root}`,
  ]) {
    t.throws(
      () => parseCheckpoint(text.replace(root, hash)),
      { code: 'checkpoint_malformed' },
      hash,
    );
  }
  for (const other of [
    '',
    '\n',
    text.trimEnd(),
    `\n${text}`,
    `${text}\n`,
    text.replace('\n', '\n\n'),
    'a\n1\n',
  ])
    t.throws(() => parseCheckpoint(other), { code: 'checkpoint_malformed' }, JSON.stringify(other));
  t.throws(() => formatCheckpoint({ origin: 'a\nb', size: 1, root: Buffer.from(root, 'base64') }), {
    code: 'checkpoint_malformed',
  });
  t.throws(() => formatCheckpoint({ origin: 'a', size: -1, root: Buffer.from(root, 'base64') }), {
    code: 'checkpoint_malformed',
  });
  t.throws(() => formatCheckpoint({ origin: 'a', size: 1, root: Buffer.alloc(31) }), {
    code: 'checkpoint_malformed',
  });
  t.throws(
    () =>
      formatCheckpoint({
        origin: 'a',
        size: 1,
        root: Buffer.from(root, 'base64'),
        extensions: ['b\nc'],
      }),
    { code: 'checkpoint_malformed' },
  );
  t.end();
});
