import { Registry } from 'prom-client';
import { test } from 'tap';
import { measureConsumer } from '../../consumer/consumer-metrics.ts';

test("the consumer's counts and lag can be scraped", async (t) => {
  const registry = new Registry();
  const status = {
    shards: 2,
    lagMs: 1_500,
    stored: 7,
    duplicates: 3,
    quarantined: 1,
    streamDownSince: new Date(),
    databaseDownSince: undefined,
    storeDownSince: new Date(),
  };
  measureConsumer({ start() {}, stop: async () => {}, wake() {}, status: () => status }, registry);
  await registry.metrics();
  status.stored = 9;
  const text = await registry.metrics();
  for (const line of [
    'muniment_consumer_shards 2',
    'muniment_consumer_lag_seconds 1.5',
    'muniment_consumer_stream_down 1',
    'muniment_consumer_store_down 1',
    'muniment_consumer_stored_total 9',
    'muniment_consumer_duplicates_total 3',
    'muniment_consumer_quarantined_total 1',
    '# TYPE muniment_consumer_stored_total counter',
  ])
    t.ok(text.split('\n').includes(line), line);
});
