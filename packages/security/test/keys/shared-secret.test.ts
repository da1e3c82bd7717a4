import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { loadSharedSecret, parseSharedSecret } from '../../src/index.ts';

const A = 'a'.repeat(43);
const B = `${'b'.repeat(62)}-_`;

test('each line is an accepted value, and nothing else is', (t) => {
  const secret = parseSharedSecret(`${A}\r\n${B}\n`, 'f');
  t.ok(secret.matches(A));
  t.ok(secret.matches(B));
  for (const offered of [
    undefined,
    null,
    '',
    A.slice(1),
    `${A}\n`,
    `${A}${B}`,
    `${A}\n${B}`,
    'c'.repeat(43),
    // These are A in Latin-1, which cuts each character to a byte.
    '\u0161'.repeat(43),
    [A],
    { length: 43 },
  ])
    t.notOk(secret.matches(offered), JSON.stringify(offered));
  t.end();
});

test('a secret that is short, empty or needs quoting is refused without being shown', (t) => {
  for (const text of [
    '',
    '\n',
    'a'.repeat(42),
    'a'.repeat(129),
    `${A}\n\n${B}`,
    `${A}\nshort`,
    ` ${A}`,
    `${A} ${B}`,
    `${'a'.repeat(43)}";`,
    `${'a'.repeat(43)}$host`,
  ])
    t.throws(() => parseSharedSecret(text, '/run/secrets/s'), {
      message:
        'The secret in /run/secrets/s is malformed. ' +
        'Write 43 to 128 letters, digits, - or _ on each line.',
    });
  t.end();
});

test('a file that cannot be read is named', async (t) => {
  const folder = t.testdir();
  await writeFile(join(folder, 'secret'), A);
  t.ok((await loadSharedSecret(join(folder, 'secret'))).matches(A));
  await t.rejects(loadSharedSecret(join(folder, 'none')), {
    message: `The secret ${join(folder, 'none')} cannot be read. Check its path and mode.`,
  });
});
