import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'tap';
import {
  formatVerifierKey,
  keyHash,
  openNote,
  parseVerifierKey,
  VerifyError,
} from '../../src/index.ts';
import { C2SP_NOTE, ENOCH, ENOCH_SIGNATURE, NOTE_TEXT, PETER, PETER_SIGNATURE } from './vectors.ts';

const peter = parseVerifierKey(PETER);
const enoch = parseVerifierKey(ENOCH);
const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'passed';
  } catch (error) {
    if (error instanceof VerifyError) return error.code;
    throw error;
  }
};

test("Go's example key is read, and no part or alteration of it", (t) => {
  t.equal(peter.name, 'PeterNeumann');
  t.equal(peter.id, 0xc74f20a3);
  const passed: string[] = [];
  for (let from = 0; from < PETER.length; from += 1) {
    for (let to = from + 1; to <= PETER.length; to += 1) {
      const part = PETER.slice(from, to);
      if (part !== PETER && codeOf(() => parseVerifierKey(part)) !== 'key_malformed')
        passed.push(part);
    }
    const other = `${PETER.slice(0, from)}${String.fromCodePoint((PETER.codePointAt(from) ?? 0) + 1)}${PETER.slice(from + 1)}`;
    if (codeOf(() => parseVerifierKey(other)) !== 'key_malformed') passed.push(other);
  }
  t.same(passed, []);
  t.equal(
    codeOf(() =>
      parseVerifierKey(
        'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==',
      ),
    ),
    'key_malformed',
    'a key too long, with its ID',
  );
  t.equal(
    codeOf(() =>
      parseVerifierKey('PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'),
    ),
    'key_malformed',
    'an unknown type, with its ID',
  );
  t.equal(
    codeOf(() => parseVerifierKey(`${PETER}\n`)),
    'key_malformed',
  );
  t.end();
});

test('a key is written as it is read', (t) => {
  const raw = Buffer.from(PETER.split('+', 3)[2] as string, 'base64').subarray(1);
  t.equal(formatVerifierKey('PeterNeumann', raw), PETER);
  t.equal(keyHash('PeterNeumann', 1, raw), 0xc74f20a3);
  t.end();
});

test("Go's example note opens by known keys", (t) => {
  const both = `${NOTE_TEXT}\n${PETER_SIGNATURE}${ENOCH_SIGNATURE}`;
  const byOne = openNote(both, [peter]);
  t.equal(byOne.text, NOTE_TEXT);
  t.same(
    byOne.signatures.map(({ name, id }) => [name, id]),
    [['PeterNeumann', 0xc74f20a3]],
  );
  t.same(
    byOne.unknown.map(({ name }) => name),
    ['EnochRoot'],
  );
  const byBoth = openNote(Buffer.from(both), [peter, enoch]);
  t.same(
    byBoth.signatures.map(({ name }) => name),
    ['PeterNeumann', 'EnochRoot'],
  );
  t.same(
    openNote(`${NOTE_TEXT}\n${PETER_SIGNATURE}${PETER_SIGNATURE}`, [peter]).signatures.length,
    1,
    'twice counts once',
  );
  t.equal(
    codeOf(() => openNote(both, [])),
    'note_unverified',
  );
  t.end();
});

test('a bad signature of a known key refuses the note at any place', (t) => {
  const bad = `${PETER_SIGNATURE.slice(0, 60)}ABCD${PETER_SIGNATURE.slice(60)}`;
  t.equal(
    codeOf(() => openNote(`${NOTE_TEXT}\n${bad}`, [peter])),
    'signature_invalid',
  );
  t.equal(
    codeOf(() =>
      openNote(`${NOTE_TEXT}\n${ENOCH_SIGNATURE}${PETER_SIGNATURE}${bad}`, [peter, enoch]),
    ),
    'signature_invalid',
  );
  t.equal(
    codeOf(() => openNote(`${NOTE_TEXT.replace('answer', 'Answer')}\n${PETER_SIGNATURE}`, [peter])),
    'signature_invalid',
  );
  t.equal(
    codeOf(() =>
      openNote(`${NOTE_TEXT}\n${PETER_SIGNATURE.replace('PeterNeumann', 'CarmenSandiego')}`, [
        peter,
      ]),
    ),
    'note_unverified',
    'another name is another key',
  );
  t.equal(
    codeOf(() => openNote(`${NOTE_TEXT}\n${PETER_SIGNATURE.replace('x08g', 'xxxx')}`, [peter])),
    'note_unverified',
    'another ID is another key',
  );
  t.end();
});

test('what is no signed note is refused before any signature is looked at', (t) => {
  const name = (text: string): string => PETER_SIGNATURE.replace('PeterNeumann', text);
  const notes: (string | Buffer)[] = [
    '',
    '\n',
    NOTE_TEXT,
    `${NOTE_TEXT}\n`,
    `${NOTE_TEXT}${PETER_SIGNATURE}`,
    `${NOTE_TEXT}\n${PETER_SIGNATURE.trimEnd()}`,
    `\u0001${NOTE_TEXT}\n${PETER_SIGNATURE}`,
    `${NOTE_TEXT}\r\n\r\n${PETER_SIGNATURE}`,
    `\t${NOTE_TEXT}\n${PETER_SIGNATURE}`,
    Buffer.concat([Buffer.of(0xff), Buffer.from(`${NOTE_TEXT}\n${PETER_SIGNATURE}`)]),
    `\ud800${NOTE_TEXT}\n${PETER_SIGNATURE}`,
    `${NOTE_TEXT}\n${PETER_SIGNATURE}Unexpected line.\n`,
    `${NOTE_TEXT}\n${PETER_SIGNATURE}\n`,
    ...['Bad Name', 'Bad+Name', 'Bad\u00a0Name', 'Bad\u2003Name', ''].map(
      (bad) => `${NOTE_TEXT}\n${name(bad)}`,
    ),
    `${NOTE_TEXT}\n${PETER_SIGNATURE.replace('—', '-')}`,
    `${NOTE_TEXT}\n${PETER_SIGNATURE.replace('— ', '—')}`,
    `${NOTE_TEXT}\n${PETER_SIGNATURE.replace('\n', ' \n')}`,
    `${NOTE_TEXT}\n${PETER_SIGNATURE.replace('=\n', '\n')}`,
    `${NOTE_TEXT}\n— PeterNeumann x08gow==\n`,
    `${NOTE_TEXT}\n${PETER_SIGNATURE.repeat(101)}`,
    `${'x'.repeat(1_000_000)}\n\n${PETER_SIGNATURE}`,
  ];
  for (const note of notes)
    t.equal(
      codeOf(() => openNote(note, [peter])),
      'note_malformed',
      JSON.stringify(note.toString().slice(-150)),
    );
  t.end();
});

test('a note of sixteen signatures is accepted', (t) => {
  const strangers = Array.from({ length: 15 }, (_, n) =>
    ENOCH_SIGNATURE.replace('EnochRoot', `witness-${n}.example`),
  ).join('');
  t.equal(openNote(`${NOTE_TEXT}\n${strangers}${PETER_SIGNATURE}`, [peter]).unknown.length, 15);
  t.end();
});

test("the text of C2SP's example ends at the last blank line", (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const text = C2SP_NOTE.slice(0, C2SP_NOTE.indexOf('\n— '));
  const key = parseVerifierKey(formatVerifierKey('ours.example', raw));
  const id = Buffer.alloc(4);
  id.writeUInt32BE(key.id);
  const ours = `— ours.example ${Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]).toString('base64')}\n`;
  const opened = openNote(`${C2SP_NOTE}${ours}`, [key]);
  t.equal(
    opened.text,
    'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n',
  );
  t.same(opened.unknown, [
    {
      name: 'quasimodo.example/salvatore',
      id: 0x367ba04b,
      base64:
        'NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=',
    },
  ]);
  t.equal(
    codeOf(() => openNote(C2SP_NOTE, [peter])),
    'note_unverified',
  );
  t.end();
});
