import { readFilter, type GivenFilter } from './filter.ts';
import type { LogQuery } from './log-queries.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import type { Visibility } from './visibility.ts';

/**
 * What is asked of the log: the filter with addresses and e-mails as the HMACs they are found by.
 * @throws filter_invalid
 */
export async function logQuery(
  { searchTerms }: { searchTerms: SearchTerms },
  visibility: Visibility,
  given: GivenFilter,
): Promise<LogQuery> {
  const { ip, email, ...filter } = readFilter(given);
  const terms = [
    ...(email === undefined ? [] : [await searchTerms.term('email', email)]),
    ...(ip === undefined ? [] : [await searchTerms.term('ip', ip)]),
  ];
  return { visibility, filter, terms };
}
