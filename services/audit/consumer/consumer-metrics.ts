import { Counter, Gauge, type Registry } from 'prom-client';
import type { Consumer, ConsumerStatus } from './consumer.ts';

/** Puts the consumer's state into the replica's metrics. No label holds an id. */
export function measureConsumer(consumer: Consumer, registry: Registry): void {
  const gauge = (name: string, help: string, value: (status: ConsumerStatus) => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value(consumer.status()));
      },
    });
  };
  const counter = (name: string, help: string, value: (status: ConsumerStatus) => number): void => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value(consumer.status()));
      },
    });
  };
  gauge(
    'muniment_consumer_shards',
    'Shards of the stream that this replica reads.',
    ({ shards }) => shards,
  );
  gauge(
    'muniment_consumer_lag_seconds',
    'How far what is stored of the furthest shard held here is behind its newest record.',
    ({ lagMs }) => lagMs / 1_000,
  );
  gauge(
    'muniment_consumer_stream_down',
    '1 while the stream is out of reach.',
    ({ streamDownSince }) => (streamDownSince ? 1 : 0),
  );
  gauge('muniment_consumer_store_down', '1 while nothing can be stored.', ({ storeDownSince }) =>
    storeDownSince ? 1 : 0,
  );
  counter('muniment_consumer_stored_total', 'Events stored in the log.', ({ stored }) => stored);
  counter(
    'muniment_consumer_duplicates_total',
    'Records dismissed because their event was stored already.',
    ({ duplicates }) => duplicates,
  );
  counter(
    'muniment_consumer_quarantined_total',
    'Records kept aside because they are no event or contradict one.',
    ({ quarantined }) => quarantined,
  );
}
