import { repeat } from '@muniment/server';
import type { BaseContext } from '../context.ts';
import { createSearchTerms, type SearchTerms } from './search-terms.ts';

const COMPLETE_PAUSE_MS = 10_000;

/** Opens the search terms, and completes those of events that were stored without. */
export function openSearchTerms({
  data: { db },
  crypto: { masterKey, subjectKeys },
  http: { log },
  jobs,
}: BaseContext): SearchTerms {
  const searchTerms = createSearchTerms({ db, masterKey, subjectKeys, log });
  jobs.add(
    repeat(
      'search-terms',
      COMPLETE_PAUSE_MS,
      async () => {
        await searchTerms.completeMarked();
      },
      (error) => log.warn({ err: error }, 'search terms could not be completed; retrying'),
    ),
  );
  return searchTerms;
}
