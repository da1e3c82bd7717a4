import { parseFilter, type FilterQuery } from './filter.ts';
import type { LogQuery } from './log-queries.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import type { Visibility } from './visibility.ts';

/**
 * What is asked of the log: the filter with addresses and e-mails as the HMACs they are found by.
 * @throws filter_invalid
 */
export async function createLogQuery(
  { searchTerms }: { searchTerms: SearchTerms },
  visibility: Visibility,
  given: FilterQuery,
): Promise<LogQuery> {
  const { ip, email, ...filter } = parseFilter(given);
  const terms = [
    ...(email === undefined ? [] : [await searchTerms.term('email', email)]),
    ...(ip === undefined ? [] : [await searchTerms.term('ip', ip)]),
  ];
  return { visibility, filter, terms };
}
