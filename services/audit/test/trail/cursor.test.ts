import { test } from 'tap';
import {
  cursorBinding,
  decodeExportCursor,
  decodeListCursor,
  encodeExportCursor,
  encodeListCursor,
} from '../../trail/cursor.ts';
import { CursorInvalid } from '@muniment/server';

const ID = '018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b';
const binding = cursorBinding({ filter: { action: 'A' } });

test('a cursor decodes to its position, and shows nothing of it', (t) => {
  t.same(decodeListCursor(encodeListCursor({ size: 2 ** 47 + 3, id: ID }, binding), binding), {
    size: 2 ** 47 + 3,
    id: ID,
  });
  t.same(decodeExportCursor(encodeExportCursor({ size: 9, index: 8 }, binding), binding), {
    size: 9,
    index: 8,
  });
  t.notMatch(encodeListCursor({ size: 1, id: ID }, binding), /018f/);
  t.end();
});

test('a cursor is accepted only in its exact form, for the same reader, filter and order', (t) => {
  const cursor = encodeListCursor({ size: 7, id: ID }, binding);
  for (const other of [
    `${cursor}=`,
    cursor.slice(0, -1),
    `${cursor.slice(0, -1)}_`,
    ` ${cursor}`,
    cursor.toUpperCase(),
    '',
    'l',
    `x${cursor.slice(1)}`,
    encodeExportCursor({ size: 9, index: 8 }, binding),
  ]) {
    t.throws(() => decodeListCursor(other, binding), CursorInvalid, other);
  }
  t.throws(
    () => decodeListCursor(cursor, cursorBinding({ filter: { action: 'B' } })),
    CursorInvalid,
  );
  t.throws(
    () => decodeExportCursor(encodeExportCursor({ size: 9, index: 9 }, binding), binding),
    CursorInvalid,
    'behind the end of its view',
  );
  t.end();
});
