import { test } from 'tap';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { AuditErrors } from '../errors.ts';

test('a cursor gives back the id it was made from, and says nothing of it', (t) => {
  const id = '018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b';
  t.equal(decodeCursor(encodeCursor(id)), id);
  t.notMatch(encodeCursor(id), /018f/);
  t.end();
});

test('only the spelling that was given out is taken', (t) => {
  const cursor = encodeCursor('018f2a3b-4c5d-7e6f-8a9b-0c1d2e3f4a5b');
  for (const other of [`${cursor}=`, cursor.slice(0, -1), `${cursor.slice(0, -1)}x`, ` ${cursor}`, cursor.toUpperCase(), '']) t.throws(() => decodeCursor(other), AuditErrors.CursorInvalid, other);
  t.end();
});
