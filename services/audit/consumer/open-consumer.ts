import type { BaseContext } from '../context.ts';
import type { SearchTerms } from '../search/search-terms.ts';
import { createConsumer, type Consumer } from './consumer.ts';
import { measureConsumer } from './consumer-metrics.ts';

/** Opens what stores the stream's events. It starts with listening. */
export function openConsumer(
  { data, crypto, audit, http, jobs, metrics, config }: BaseContext,
  searchTerms: SearchTerms,
): Consumer {
  const consumer = createConsumer({
    db: data.db,
    searchTerms,
    subjectKeys: crypto.subjectKeys,
    kinesis: audit.kinesis,
    stream: config.KINESIS_STREAM,
    replica: config.REPLICA,
    log: http.log,
    leaseTtlMs: config.CONSUMER_LEASE_TTL_MS,
    pollMs: config.CONSUMER_POLL_MS,
    rest: audit.activity,
  });
  audit.activity.onWork(consumer.wake);
  measureConsumer(consumer, metrics);
  jobs.add({ name: 'consumer', ...consumer });
  return consumer;
}
