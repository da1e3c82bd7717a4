import { test } from 'tap';
import {
  probeDelay,
  RETRY_DELAYS_MS,
  retryDelay,
} from '../../../webhooks/delivery/retry-schedule.ts';

test('ten attempts span three days, each pause varied by a fifth', (t) => {
  for (let attempts = 1; attempts <= 9; attempts += 1) {
    const delay = RETRY_DELAYS_MS[attempts - 1] ?? 0;
    const seen = Array.from({ length: 200 }, () => retryDelay(attempts) ?? 0);
    t.ok(
      seen.every((ms) => ms >= delay * 0.8 && ms <= delay * 1.2),
      `attempt ${attempts}`,
    );
    t.ok(new Set(seen).size > 100, 'spread by chance');
  }
  t.equal(retryDelay(10), undefined);
  t.ok(RETRY_DELAYS_MS.reduce((sum, ms) => sum + ms) > 72 * 3_600_000);
  t.end();
});

test('a receiver may ask for more time, not for less, and not for ever', (t) => {
  t.equal(retryDelay(1, 60_000), 60_000);
  t.ok((retryDelay(2, 1_000) ?? 0) >= 240_000);
  t.equal(retryDelay(1, Number.MAX_SAFE_INTEGER), 86_400_000);
  t.equal(retryDelay(10, 60_000), undefined);
  t.end();
});

test('ten failures in a row pause an endpoint, for at most 15 minutes', (t) => {
  t.equal(probeDelay(9), 0);
  t.ok(probeDelay(10) >= 8_000 && probeDelay(10) <= 12_000);
  t.ok(probeDelay(14) >= 120_000);
  t.ok(probeDelay(1_000_000) <= 18 * 60_000);
  t.end();
});
