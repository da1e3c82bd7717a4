/** What a search term is made from. */
export interface Searched {
  id: string;
  email_key: string;
  phone: string | null;
  first_name: string;
  last_name: string;
}

/** `$1` people from all times, the same at each run. */
export const SAMPLE = `
  select id, email_key, phone, first_name, last_name from identity.users
  where not service order by hashtext(email_key) limit $1`;

const withTypo = (word: string): string => {
  const at = Math.floor(word.length / 2);
  return word.slice(0, at) + word.slice(at + 1);
};

/** What administrators type, of twenty searches. */
const MIX: readonly [kind: string, times: number, term: (user: Searched) => string][] = [
  ['beginning of a last name', 4, ({ last_name }) => last_name.slice(0, 4)],
  ['last name', 4, ({ last_name }) => last_name],
  ['first and last name', 4, ({ first_name, last_name }) => `${first_name} ${last_name}`],
  ['first name', 1, ({ first_name }) => first_name],
  ['beginning of an address', 2, ({ email_key }) => email_key.split('@')[0]?.slice(0, 7) ?? ''],
  ['address', 2, ({ email_key }) => email_key],
  ['end of a number', 1, ({ phone, last_name }) => phone?.slice(-9) ?? last_name],
  ['typing error', 1, ({ last_name }) => withTypo(last_name)],
  ['name with a typing error', 1, (user) => `${user.first_name} ${withTypo(user.last_name)}`],
];

/** A term of each kind, as often as it is typed, of the people in turn. */
export function mixTerms(people: readonly Searched[]): { kind: string; term: string }[] {
  const kinds = MIX.flatMap(([kind, times, term]) =>
    Array.from({ length: times }, () => ({ kind, term })),
  );
  return people.flatMap((user, n) => {
    const one = kinds[n % kinds.length];
    return one ? [{ kind: one.kind, term: one.term(user) }] : [];
  });
}

/** Terms that most users share, and such as read much to find nobody. */
export const WORST_TERMS: Record<string, string> = {
  'one letter': 'a',
  'the most common first name': 'maria',
  'its beginning': 'mar',
  'a label of most addresses': 'com',
  'two such labels': 'gmail com',
  'a common first and a common last name': 'maria smith',
  'two common first names': 'maria mohamed',
  'a common name and a label of most': 'maria com',
  'two letters': 'm s',
  'six common words': 'maria smith gmail com a m',
  'a common name with an error': 'mohamde',
  'two names, the common one with an error': 'mairia smith',
  'a word that nobody has': 'xqzwvkpt',
  'a long word that nobody has': 'balbelbergabelbergbelberg',
  'four digits': '1700',
};
