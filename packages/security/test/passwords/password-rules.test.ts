import { test } from 'tap';
import { createPasswordRules, type PasswordOwner } from '../../src/passwords/password-rules.ts';

const rules = createPasswordRules(['Muniment', 'Archive of Utrecht']);
const ada: PasswordOwner = { role: 'customer', email: 'ada.lovelace@analytical.example' };

function outcome(password: string, owner: PasswordOwner = ada): string {
  try {
    rules(password, owner);
    return 'taken';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('common passwords are refused in any case or width', (t) => {
  for (const password of [
    'password',
    'Password1',
    'PASSWORD123',
    'qwertyuiop',
    '1234567890',
    'ｐａｓｓｗｏｒｄ',
    'iloveyou1',
    'trustno1',
    'letmein1',
  ])
    t.equal(outcome(password), 'PASSWORD_COMMON', password);
  t.end();
});

test('context words with digits and signs around them are refused', (t) => {
  for (const password of [
    'muniment',
    'Muniment123!',
    '!!MUNIMENT',
    'ada.lovelace',
    'Lovelace1815',
    'ADA_LOVELACE_1',
    'ada.lovelace@analytical.example',
    'analytical',
    'utrecht2026',
    'Archive of Utrecht',
  ])
    t.equal(outcome(password), 'PASSWORD_COMMON', password);
  t.end();
});

test('only the whole password is compared: what holds such a word is taken', (t) => {
  for (const password of [
    'my password is long',
    'lovelace wrote notes',
    'muniment room key',
    'ada12345',
    '84729ada5173',
    '7193-5820-4416',
  ])
    t.equal(outcome(password), 'taken', password);
  t.end();
});

test("the seed documents' passwords are taken, for the accounts that they stand beside", (t) => {
  t.equal(outcome('securepassword123', { role: 'customer', email: 'user@example.com' }), 'taken');
  t.equal(outcome('SecretPass123', { role: 'customer', email: 'alice@example.com' }), 'taken');
  t.equal(
    outcome('rootIsAStrongestPassword', { role: 'customer', email: 'testemail@gmail.com' }),
    'taken',
  );
  t.end();
});

test('nothing is asked of what a password is composed of', (t) => {
  for (const password of [
    'zzzzzzzzzzzzzzzzz',
    'äöüßäöüß',
    '😀😁😂🤣😃😄😅😆',
    '        ',
    'battery staple',
  ])
    t.equal(outcome(password), 'taken', password);
  t.end();
});

test('an administrator needs fifteen characters after NFKC', (t) => {
  const root: PasswordOwner = { role: 'admin', email: 'root@example.com' };
  t.equal(outcome('fourteen chars', root), 'PASSWORD_LENGTH');
  t.equal(outcome('fifteen chars !', root), 'taken');
  t.equal(
    outcome('u\u0308'.repeat(14), root),
    'PASSWORD_LENGTH',
    '28 code points that compose to 14',
  );
  t.equal(outcome('fourteen chars'), 'taken', 'others do not');
  t.end();
});

test('the list takes two megabytes at most', async (t) => {
  // Only a fresh, settled heap shows the size without garbage.
  const { execFileSync } = await import('node:child_process');
  const url = new URL('../../src/passwords/password-rules.ts', import.meta.url).href;
  const script = `const { createPasswordRules } = await import(${JSON.stringify(url)}); gc(); const before = process.memoryUsage().heapUsed;
    const kept = createPasswordRules(); gc(); gc(); console.log(process.memoryUsage().heapUsed - before, typeof kept);`;
  const [bytes = '0'] = execFileSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  ).split(' ');
  t.ok(Number(bytes) > 100_000 && Number(bytes) < 2_000_000, `${bytes} bytes`);
});
