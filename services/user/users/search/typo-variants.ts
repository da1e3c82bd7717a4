/** Letters that a typing error may put beside those of a word: its own script's, and digits. */
const SCRIPTS: readonly (readonly [first: number, last: number])[] = [
  [0x61, 0x7a],
  [0x3b1, 0x3c9],
  [0x430, 0x45f],
  [0x561, 0x586],
  [0x5d0, 0x5ea],
  [0x621, 0x64a],
];
const DIGITS = Array.from('0123456789');
/** Shorter words have so many neighbours that a typo would find anybody. */
export const MIN_TYPO_LENGTH = 4;

/** Words in which a typing error is looked for. Digits alone are numbers and years. */
export const mayHaveTypo = (word: string): boolean =>
  Array.from(word).length >= MIN_TYPO_LENGTH && /\p{L}/u.test(word);

function alphabetOf(letters: readonly string[]): string[] {
  const codes = letters.map((letter) => letter.codePointAt(0) ?? 0);
  const scripts = SCRIPTS.filter(([first, last]) =>
    codes.some((code) => code >= first && code <= last),
  );
  return [
    ...DIGITS,
    ...scripts.flatMap(([first, last]) =>
      Array.from({ length: last - first + 1 }, (_, index) => String.fromCodePoint(first + index)),
    ),
  ];
}

/**
 * The beginnings of terms that a word with one typing error may have meant: a letter is wrong,
 * missing, too much, or changed places with the next.
 * @param known how many letters of the word begin some term: an error behind them finds nothing
 */
export function typoVariants(word: string, known: number): string[] {
  const letters = Array.from(word);
  const last = letters.length - 1;
  const alphabet = alphabetOf(letters);
  const variants = new Set<string>();
  for (let at = 0; at <= Math.min(known, last); at += 1) {
    const before = letters.slice(0, at).join('');
    const letter = letters[at] ?? '';
    const behind = letters.slice(at + 1).join('');
    // Without the last letter, the beginning stands for every other last letter too.
    variants.add(before + behind);
    for (const other of alphabet) {
      if (at < last) variants.add(before + other + behind);
      variants.add(before + other + letter + behind);
    }
    const next = letters[at + 1];
    if (next !== undefined) variants.add(before + next + letter + letters.slice(at + 2).join(''));
  }
  variants.delete(word);
  return [...variants];
}
