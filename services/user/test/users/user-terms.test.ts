import { test } from 'tap';
import { build } from '../build.ts';

const TERMS = 'select term from identity.user_terms where user_id = $1 order by term collate "C"';

test('words are folded: case, accents, letters that are spelt otherwise, apostrophes', async (t) => {
  const { rows } = await build(t);
  const fold = async (text: string): Promise<unknown> =>
    (await rows('select identity.fold_words($1) as words', [text]))[0];
  for (const [text, words] of [
    ['Ádám ÖSTERREICH', ['adam', 'osterreich']],
    ["O'Brien Straße Œuvre Łódź Bjørn", ['bjorn', 'lodz', 'obrien', 'oeuvre', 'strasse']],
    ['ΣΊΣΥΦΟΣ Щёлоков', ['σισυφοσ', 'щелоков']],
    ['ada.lovelace+x@www.my-shop.example.com', 'ada com example lovelace my shop www x'.split(' ')],
    ['山田 太郎 ﬁn', ['fin', '太郎', '山田']],
    ['  -- ', []],
    ['Zoe\u0308 zoë', ['zoe']],
  ] as const)
    t.strictSame(((await fold(text)) as { words: string[] }).words.toSorted(), words, text);
});

test('terms follow each change, and go with the user', async (t) => {
  const { register, rows } = await build(t);
  const { user } = await register('ada@example.com');
  const terms = async () => (await rows<{ term: string }>(TERMS, [user.id])).map((r) => r.term);
  t.strictSame(await terms(), ['ada', 'com', 'example']);
  await rows(
    `update identity.users set last_name = 'Byron', phone = '+4930901820', phone_valid = true`,
  );
  t.strictSame(await terms(), ['4930901820', '<0281090394', 'ada', 'byron', 'com', 'example']);
  await rows(`update identity.users set last_name = 'King', phone = null`);
  t.strictSame(await terms(), ['ada', 'com', 'example', 'king']);
  await rows('delete from identity.users');
  t.strictSame(await terms(), []);
});
