import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import { createRelay, outboxBacklog, type Relay, type Source } from '@muniment/audit-events';
import type { ServerConfig } from './config.ts';
import type { DependencyCheck } from './health.ts';

export interface AuditTrailOptions<DB> {
  db: Kysely<DB>;
  schema: string;
  source: Source;
  config: ServerConfig;
  kinesis: KinesisClient;
  log: FastifyBaseLogger;
  metrics: Registry;
}

/** AWS answers 20 such calls a second to a whole account, and the consumers need some of them. */
const STREAM_CHECK_INTERVAL_MS = 10_000;
const THROTTLED = new Set(['LimitExceededException', 'ProvisionedThroughputExceededException', 'ThrottlingException', 'KMSThrottlingException']);

/** Whether the stream answers. One that was up is asked again after ten seconds, or at once when `failing` says that sending fails; being throttled is an answer. */
function createStreamCheck(kinesis: KinesisClient, stream: string, failing: () => boolean): DependencyCheck {
  let nextLook = 0;
  return {
    name: 'kinesis',
    critical: false,
    async check() {
      if (performance.now() < nextLook && !failing()) return;
      try {
        await kinesis.send(new DescribeStreamSummaryCommand({ StreamName: stream }));
      } catch (error) {
        if (!(error instanceof Error && THROTTLED.has(error.name))) throw error;
      }
      nextLook = performance.now() + STREAM_CHECK_INTERVAL_MS;
    },
  };
}

/** The relay of this service's outbox, with its backlog as metrics and the stream as a dependency that can wait. */
export function createAuditTrail<DB>({ db, schema, source, config, kinesis, log, metrics }: AuditTrailOptions<DB>): { relay: Relay; streamCheck: DependencyCheck } {
  const relay = createRelay({ db, schema, source, holder: config.REPLICA, kinesis, stream: config.KINESIS_STREAM, log, resendAfterMs: config.RELAY_RESEND_AFTER_MS });

  let reading: Promise<void> | undefined;
  // One look serves both gauges of a scrape. A scrape must not fail because the database is down; a value of before the outage would say that
  // all is well, so there is none.
  const readBacklog = (): Promise<void> => {
    reading ??= outboxBacklog(db, schema).then((backlog) => {
      waiting.set(backlog.rows);
      oldest.set(backlog.oldestSeconds);
    }, () => {
      waiting.set(NaN);
      oldest.set(NaN);
    }).finally(() => { reading = undefined; });
    return reading;
  };
  const oldest = new Gauge({ name: 'muniment_outbox_oldest_seconds', help: 'Age of the oldest event that is not yet stored in the trail.', registers: [metrics], collect: readBacklog });
  const waiting = new Gauge({ name: 'muniment_outbox_rows', help: 'Events that are acknowledged and not yet stored in the trail.', registers: [metrics], collect: readBacklog });
  new Gauge({
    name: 'muniment_relay_leading',
    help: '1 on the replica that carries the outbox to the stream.',
    registers: [metrics],
    collect() { this.set(relay.status().leading ? 1 : 0); },
  });

  return { relay, streamCheck: createStreamCheck(kinesis, config.KINESIS_STREAM, () => relay.status().streamDownSince !== undefined) };
}
