import autocannon from 'autocannon';
import type { LoadRequest, LoadResult } from './load.ts';

process.once('message', (request: LoadRequest) => {
  const { connections, seconds, ...rest } = request;
  void autocannon({ ...rest, connections, duration: seconds, timeout: 10 }).then((result) => {
    const ok = result['2xx'];
    const answer: LoadResult = {
      ok,
      failed: result.non2xx + result.errors + result.timeouts,
      perSecond: ok / result.duration,
      p50Ms: result.latency.p50,
      p99Ms: result.latency.p99,
    };
    process.send?.(answer, () => process.exit(0));
  });
});
