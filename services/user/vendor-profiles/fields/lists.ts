const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
/** `mon`, `tues` and so on: at least three letters. */
const dayOf = (typed: string): number =>
  typed.length < 3 ? -1 : DAYS.findIndex((day) => day.startsWith(typed.replace(/s?\.?$/, '')));

/** The document shows a plain text where a list is due. */
const split = (typed: string | readonly string[]): string[] =>
  (typeof typed === 'string' ? typed.split(/[,;/|\n]|\s+and\s+|\s*&\s*/) : [...typed])
    .map((item) => item.trim().replaceAll(/\s+/g, ' '))
    .filter((item) => item !== '');

/** The days of one item: a day, a range of days, or all. Undefined for what is no day. */
function daysOf(item: string): number[] | undefined {
  const typed = item.toLowerCase();
  if (/^(daily|every ?day|all days)$/.test(typed)) return DAYS.map((_day, index) => index);
  const [from = '', to, ...others] = typed.split(/\s*(?:-|–|\bto\b)\s*/);
  const first = dayOf(from);
  const last = to === undefined ? first : dayOf(to);
  if (first < 0 || last < 0 || others.length > 0) return undefined;
  const length = ((last - first + DAYS.length) % DAYS.length) + 1;
  return Array.from({ length }, (_day, index) => (first + index) % DAYS.length);
}

/**
 * Parses `Monday, Wed`, `Mon - Fri` or a list of such. `Sat - Mon` goes over the end of the week.
 * @returns lower case English names in the order of the week; undefined where one is no day
 */
export function parseWorkingDays(typed: string | readonly string[]): string[] | undefined {
  const days = new Set<number>();
  for (const item of split(typed)) {
    const found = daysOf(item);
    if (!found) return undefined;
    for (const day of found) days.add(day);
  }
  return DAYS.filter((_day, index) => days.has(index));
}

/** Parses `Cash, Card` or a list; what differs only in case is one mode. */
export function parsePaymentModes(typed: string | readonly string[]): string[] {
  const modes = new Map(split(typed).map((mode) => [mode.toLowerCase(), mode]));
  return [...modes.values()];
}
