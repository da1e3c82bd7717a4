import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { DescribeStreamSummaryCommand } from '@aws-sdk/client-kinesis';
import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import { createRelay, outboxBacklog, type Relay, type Source } from '@muniment/audit-events';
import type { Activity } from './activity.ts';
import type { ServerConfig } from '../lifecycle/config.ts';
import type { DependencyCheck } from '../operations/health.ts';

export interface OutboxRelaysOptions<DB> {
  db: Kysely<DB>;
  config: ServerConfig;
  kinesis: KinesisClient;
  log: FastifyBaseLogger;
  metrics: Registry;
  activity: Activity;
}

/** An outbox of this service and whose events lie in it. */
export interface Outbox {
  schema: string;
  source: Source;
}

/** AWS answers 20 such calls a second to a whole account, and the consumers need some of them. */
const STREAM_CHECK_INTERVAL_MS = 10_000;
const THROTTLED = new Set([
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'KMSThrottlingException',
]);

/**
 * Checks whether the stream answers; a throttled call is an answer. A stream that was up is asked
 * again after ten seconds, or at once while sending fails.
 */
function createStreamCheck(
  kinesis: KinesisClient,
  stream: string,
  failing: () => boolean,
): DependencyCheck {
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

interface Carried extends Outbox {
  relay: Relay;
}

/** Gauges of the outboxes, one value for each source. */
function measureOutboxes<DB>(db: Kysely<DB>, metrics: Registry, carried: readonly Carried[]): void {
  let reading: Promise<void> | undefined;
  // One read serves both gauges. While the database is down they are NaN: an old value would look
  // healthy.
  const readBacklogs = (): Promise<void> => {
    reading ??= Promise.all(
      carried.map(async ({ schema, source }) => {
        const backlog = await outboxBacklog(db, schema).catch(() => ({
          rows: NaN,
          oldestSeconds: NaN,
        }));
        waiting.set({ source }, backlog.rows);
        oldest.set({ source }, backlog.oldestSeconds);
      }),
    ).then(() => {
      reading = undefined;
    });
    return reading;
  };
  const gauge = (name: string, help: string, collect: () => Promise<void> | void) =>
    new Gauge({ name, help, labelNames: ['source'], registers: [metrics], collect });
  const oldest = gauge(
    'muniment_outbox_oldest_seconds',
    'Age of the oldest event that is not yet stored in the trail.',
    readBacklogs,
  );
  const waiting = gauge(
    'muniment_outbox_rows',
    'Events that are acknowledged and not yet stored in the trail.',
    readBacklogs,
  );
  const leading = gauge(
    'muniment_relay_leading',
    '1 on the replica that carries the outbox to the stream.',
    () => {
      for (const { source, relay } of carried)
        leading.set({ source }, relay.status().leading ? 1 : 0);
    },
  );
}

export interface OutboxRelays {
  /** Relays an outbox of this service to the stream once the relay is started. */
  add(outbox: Outbox): Relay;
  streamCheck: DependencyCheck;
}

/** Creates the relays of this service's outboxes, their metrics and the check of the stream. */
export function createOutboxRelays<DB>({
  db,
  config,
  kinesis,
  log,
  metrics,
  activity,
}: OutboxRelaysOptions<DB>): OutboxRelays {
  const carried: Carried[] = [];
  measureOutboxes(db, metrics, carried);
  return {
    add(outbox) {
      const relay = createRelay({
        db,
        ...outbox,
        replica: config.REPLICA,
        kinesis,
        stream: config.KINESIS_STREAM,
        log,
        resendAfterMs: config.RELAY_RESEND_AFTER_MS,
        isResting: activity.isResting,
        onUnannounced: activity.recorded,
      });
      activity.onWork(relay.wake);
      carried.push({ ...outbox, relay });
      return relay;
    },
    streamCheck: createStreamCheck(kinesis, config.KINESIS_STREAM, () =>
      carried.some(({ relay }) => relay.status().streamDownSince !== undefined),
    ),
  };
}
