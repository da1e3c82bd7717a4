import { test } from 'tap';
import { mayHaveTypo, typoVariants } from '../../../users/search/typo-variants.ts';

const finds = (word: string, term: string, known = word.length): boolean =>
  typoVariants(word, known).some((beginning) => term.startsWith(beginning));

test('one letter may be wrong, missing, too much, or swapped with the next', (t) => {
  for (const word of ['jahnson', 'jonson', 'johhnson', 'jonhson', 'kohnson', 'ohnson', 'johnsom'])
    t.ok(finds(word, 'johnson'), word);
  for (const word of ['jahnsen', 'ojnhson', 'smith']) t.notOk(finds(word, 'johnson'), word);
  t.ok(finds('jonhs', 'johnson'), 'in a beginning');
  t.ok(finds('щолоков', 'щелоков'), 'in its own script');
  t.end();
});

test('an error behind the letters that any term begins with is not looked for', (t) => {
  t.ok(finds('jonhson', 'johnson', 2));
  t.notOk(finds('jonhson', 'johnson', 1));
  t.ok(typoVariants('jonhson', 2).length < typoVariants('jonhson', 7).length / 2);
  t.end();
});

test('short words and numbers have no typo', (t) => {
  t.ok(mayHaveTypo('anna'));
  t.ok(mayHaveTypo('ada7'));
  for (const word of ['ann', '1985', '']) t.notOk(mayHaveTypo(word), word);
  t.end();
});
