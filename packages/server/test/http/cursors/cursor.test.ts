import { test } from 'tap';
import { decodeCursor, encodeCursor } from '../../../src/index.ts';

test('a cursor gives its id back, and nothing else is one', async (t) => {
  const id = '0190b5c2-1111-7222-8333-444455556666';
  t.equal(decodeCursor(encodeCursor(id)), id);
  for (const bad of [
    '',
    'x',
    id,
    encodeCursor(id).slice(1),
    `${encodeCursor(id)}A`,
    `${encodeCursor(id).slice(0, -1)}h`,
    `${encodeCursor(id)}==`,
    '%00',
  ]) {
    t.throws(() => decodeCursor(bad), /cursor/, bad);
  }
});
