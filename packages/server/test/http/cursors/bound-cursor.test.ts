import { test } from 'tap';
import { createBoundCursors } from '../../../src/index.ts';

const SECRET = Buffer.alloc(32, 7);
const LIST = { list: 'things', order: 'created', filter: { type: 'vendor' } };
const POSITION = ['2026-11-30 06:00:00.123456+00', '01890000-0000-7000-8000-000000000000'];
const INVALID = { code: 'CURSOR_INVALID' };

test('a cursor gives back its position, on every replica', (t) => {
  const cursor = createBoundCursors(SECRET).seal(POSITION, LIST);
  t.match(cursor, /^[\w-]+$/);
  t.strictSame(createBoundCursors(Buffer.from(SECRET)).open(cursor, LIST), POSITION);
  t.end();
});

test('a cursor does not tell its position', (t) => {
  const { seal } = createBoundCursors(SECRET);
  const bytes = Buffer.from(seal(POSITION, LIST), 'base64url').toString('latin1');
  for (const part of POSITION) t.notOk(bytes.includes(part));
  t.end();
});

test('a cursor of another filter, order, list or secret is refused', (t) => {
  const { seal, open } = createBoundCursors(SECRET);
  const cursor = seal(POSITION, LIST);
  for (const other of [
    { ...LIST, filter: {} },
    { ...LIST, order: '-created' },
    { ...LIST, list: 'users' },
  ])
    t.throws(() => open(cursor, other), INVALID);
  t.throws(() => createBoundCursors(Buffer.alloc(32, 8)).open(cursor, LIST), INVALID);
  t.end();
});

test('an edited cursor is refused, whichever of its characters changed', (t) => {
  const { seal, open } = createBoundCursors(SECRET);
  const cursor = seal(POSITION, LIST);
  for (let index = 0; index < cursor.length; index += 1) {
    const letter = cursor[index] === 'A' ? 'B' : 'A';
    const edited = `${cursor.slice(0, index)}${letter}${cursor.slice(index + 1)}`;
    t.throws(() => open(edited, LIST), INVALID, `character ${index}`);
  }
  for (const text of [
    '',
    'x',
    '====',
    `${cursor}=`,
    `${cursor}A`,
    cursor.slice(0, -1),
    ` ${cursor}`,
  ])
    t.throws(() => open(text, LIST), INVALID, text);
  t.end();
});
