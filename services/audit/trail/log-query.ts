import type { SearchTerms } from '../search/search-terms.ts';
import { parseFilter, type EventFilter, type FilterQuery } from './filter.ts';
import type { Visibility } from './readers/visibility.ts';

/** A reader's filter, with the e-mail and the address as their search terms. */
export interface LogQuery {
  visibility: Visibility;
  filter: Omit<EventFilter, 'ip' | 'email'>;
  /** HMACs; an event must have all of them. */
  terms: readonly Buffer[];
}

/** @throws FilterInvalid */
export async function createLogQuery(
  searchTerms: SearchTerms,
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
