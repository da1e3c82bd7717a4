import { join } from 'node:path';
import { loadLogKeys } from '@muniment/audit-key';
import { createServer, repeat } from '@muniment/server';
import { openAuditBucket } from './audit-bucket.ts';
import type { AuditServer } from './audit-server.ts';
import { measureTrail, watchTrail, type TrailWatch } from './completeness/watch-trail.ts';
import type { Config } from './config.ts';
import { createConsumer } from './consumer/consumer.ts';
import { measureConsumer } from './consumer/measure-consumer.ts';
import { eraseSubjects } from './erase-subject.ts';
import { watchJournal } from './erasure-journal.ts';
import { findCountingTokens, findViewerByHash } from './queries/viewer-tokens.ts';
import { openReconciler } from './reconciler/open-reconciler.ts';
import { createRetentionLoop } from './retention/retention-loop.ts';
import { completenessRoute } from './routes/completeness.ts';
import { createViewerTokenRoute } from './routes/create-viewer-token.ts';
import { createWebhookRoute } from './routes/create-webhook.ts';
import { declareLostRoute } from './routes/declare-lost.ts';
import { deleteWebhookRoute } from './routes/delete-webhook.ts';
import { eraseSubjectRoute } from './routes/erase-subject.ts';
import { exportLogsRoute } from './routes/export-logs.ts';
import { getCheckpointRoute } from './routes/get-checkpoint.ts';
import { getEntryBundleRoute } from './routes/get-entry-bundle.ts';
import { getLogRoute } from './routes/get-log.ts';
import { getTileRoute } from './routes/get-tile.ts';
import { getWebhookRoute } from './routes/get-webhook.ts';
import { listLogsRoute } from './routes/list-logs.ts';
import { listQuarantineRoute } from './routes/list-quarantine.ts';
import { listViewerTokensRoute } from './routes/list-viewer-tokens.ts';
import { listWebhookDeliveriesRoute } from './routes/list-webhook-deliveries.ts';
import { listWebhooksRoute } from './routes/list-webhooks.ts';
import { proveConsistencyRoute } from './routes/prove-consistency.ts';
import { proveLogRoute } from './routes/prove-log.ts';
import { recordEventsRoute } from './routes/record-events.ts';
import { replayQuarantineRoute } from './routes/replay-quarantine.ts';
import { replayQuarantinedRoute } from './routes/replay-quarantined.ts';
import { retryWebhookDeliveryRoute } from './routes/retry-webhook-delivery.ts';
import { revokeViewerTokenRoute } from './routes/revoke-viewer-token.ts';
import { rotateWebhookSecretRoute } from './routes/rotate-webhook-secret.ts';
import { streamLogsRoute } from './routes/stream-logs.ts';
import { updateWebhookRoute } from './routes/update-webhook.ts';
import { measureSealer } from './seal/measure-sealer.ts';
import { createNotary } from './seal/notary.ts';
import { createPublisher } from './seal/publisher.ts';
import { checkSealer, createSealer, type Sealer } from './seal/sealer.ts';
import { createTree } from './seal/tree.ts';
import { createSearchTerms } from './search-terms.ts';
import { createStreams } from './stream/streams.ts';
import type { Tables } from './tables.ts';
import { keepHouse } from './upkeep.ts';
import { createViewerCheck } from './viewer-check.ts';
import { createWebhooks } from './webhooks/webhooks.ts';

const UPKEEP_PAUSE_MS = 60 * 60_000;
const COMPLETE_PAUSE_MS = 10_000;

/** The audit service: keeps what happened, and shows each what concerns them. */
export async function buildApp(config: Config): Promise<AuditServer> {
  let trail: TrailWatch | undefined;
  let sealer: Sealer | undefined;
  const keys = await loadLogKeys(config.AUDIT_KEY_FILE, config.AUDIT_ORIGIN);
  const bucket = openAuditBucket(config);
  const base = await createServer<Tables>({
    service: 'audit',
    schema: 'audit',
    source: 'audit',
    config,
    migrations: [{ name: 'audit', folder: join(import.meta.dirname, 'migrations') }],
    checks: [
      { name: 'trail', critical: false, check: async () => trail?.check.check() },
      {
        name: 'sealer',
        critical: false,
        check: async () => sealer && checkSealer(sealer.status()),
      },
      { name: 's3', critical: false, check: () => bucket.check() },
    ],
    viewers: (db) => (tokenHash) => findViewerByHash(db, tokenHash),
    erasure: (db, subjectKeys) => eraseSubjects(db, subjectKeys, bucket),
  });
  base.afterLoops(() => bucket.close());
  const searchTerms = createSearchTerms(base);
  const consumer = createConsumer({
    db: base.db,
    searchTerms,
    subjectKeys: base.subjectKeys,
    kinesis: base.kinesis,
    stream: config.KINESIS_STREAM,
    replica: config.REPLICA,
    log: base.log,
    leaseTtlMs: config.CONSUMER_LEASE_TTL_MS,
    pollMs: config.CONSUMER_POLL_MS,
  });
  trail = watchTrail({
    db: base.db,
    stream: config.KINESIS_STREAM,
    replica: config.REPLICA,
    log: base.log,
  });
  const notary = createNotary({ db: base.db, keys, origin: config.AUDIT_ORIGIN });
  sealer = createSealer({
    db: base.db,
    replica: config.REPLICA,
    log: base.log,
    notary,
    publisher: createPublisher({
      db: base.db,
      bucket,
      notary,
      lockDays: config.AUDIT_CHECKPOINT_LOCK_DAYS,
    }),
    leaseTtlMs: config.SEALER_LEASE_TTL_MS,
    pollMs: config.SEALER_POLL_MS,
    checkpointMs: config.AUDIT_CHECKPOINT_MS,
  });
  const server: AuditServer = {
    ...base,
    config,
    bucket,
    consumer,
    searchTerms,
    sealer,
    streams: createStreams(base, config),
    trail,
    tree: createTree({ db: base.db }),
    viewerCounts: createViewerCheck((ids) => findCountingTokens(base.db, ids)),
    webhooks: createWebhooks(base, config),
  };
  if (config.RECONCILER_DATABASE_URL !== undefined)
    server.background(openReconciler(config, config.RECONCILER_DATABASE_URL, server));
  measureConsumer(consumer, server.metrics);
  measureSealer(sealer, server.metrics);
  measureTrail(trail, server.metrics);
  server.background({ name: 'consumer', ...consumer });
  server.background(trail);
  server.background({ name: 'sealer', ...sealer });
  server.background(server.webhooks.dispatcher);
  server.background(
    repeat(
      'upkeep',
      UPKEEP_PAUSE_MS,
      () => keepHouse(server),
      (error) => server.log.warn({ err: error }, 'upkeep of the log failed; it is tried again'),
    ),
  );

  server.background(
    repeat(
      'search-terms',
      COMPLETE_PAUSE_MS,
      async () => {
        await searchTerms.complete();
      },
      (error) =>
        server.log.warn({ err: error }, 'search terms could not be completed; it is tried again'),
    ),
  );

  server.background(watchJournal(server));
  server.background(createRetentionLoop(server));

  // Signed in: what concerns the caller. Who may read what concerns others gets a section of its own.
  listLogsRoute(server);
  getLogRoute(server);
  exportLogsRoute(server);
  streamLogsRoute(server);
  proveLogRoute(server);
  getCheckpointRoute(server);
  proveConsistencyRoute(server);
  getTileRoute(server);

  // A customer's own services.
  recordEventsRoute(server);
  eraseSubjectRoute(server);
  createViewerTokenRoute(server);
  listViewerTokensRoute(server);
  revokeViewerTokenRoute(server);

  // Operators.
  getEntryBundleRoute(server);
  completenessRoute(server);
  declareLostRoute(server);
  listQuarantineRoute(server);
  replayQuarantinedRoute(server);
  replayQuarantineRoute(server);
  createWebhookRoute(server);
  listWebhooksRoute(server);
  getWebhookRoute(server);
  updateWebhookRoute(server);
  deleteWebhookRoute(server);
  rotateWebhookSecretRoute(server);
  listWebhookDeliveriesRoute(server);
  retryWebhookDeliveryRoute(server);

  return server;
}
