import { test } from 'tap';
import { findEmptyCounters, SCRAPE } from '@muniment/testing';
import { build } from './build.ts';

test("the audit service's counters begin at 0, so that an alert sees the first event", async (t) => {
  const { server } = await build(t);
  const { body } = await server.http.app.inject(SCRAPE);
  t.strictSame(findEmptyCounters(body), []);
  for (const reason of ['gone', 'revoked', 'expired', 'stalled', 'stopping'])
    t.match(body, `muniment_streams_ended_total{reason="${reason}",service="audit"} 0\n`);
});
