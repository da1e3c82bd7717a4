import { test } from 'tap';
import { findEmptyCounters, SCRAPE } from '@muniment/testing';
import { build } from './build.ts';

test("the file service's counters begin at 0, so that an alert sees the first event", async (t) => {
  const { app } = await build(t);
  const { body } = await app.inject(SCRAPE);
  t.strictSame(findEmptyCounters(body), []);
});
