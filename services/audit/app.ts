import { join } from 'node:path';
import { loadLogKeys } from '@muniment/audit-key';
import { createServer, flatServer, registerFeatures, repeat } from '@muniment/server';
import { openAuditBucket } from './object-store/audit-bucket.ts';
import type { AuditContext } from './context.ts';
import { measureTrail, createTrailWatch } from './completeness/watch-trail.ts';
import type { Config } from './config.ts';
import { createConsumer } from './consumer/consumer.ts';
import { measureConsumer } from './consumer/consumer-metrics.ts';
import { eraseSubjects } from './erasure/erase-user.ts';
import { watchJournal } from './erasure/journal.ts';
import { findValidTokenIds, findViewerByHash } from './viewer-tokens/viewer-token-queries.ts';
import { openReconciler } from './reconciler/open-reconciler.ts';
import { createRetentionLoop } from './retention/retention-loop.ts';
import { completenessRoute } from './completeness/get-completeness.ts';
import { createWebhookRoute } from './webhooks/create-webhook.ts';
import { declareLostRoute } from './completeness/declare-lost.ts';
import { deleteWebhookRoute } from './webhooks/delete-webhook.ts';
import { eraseSubjectRoute } from './erasure/erase-subject.ts';
import { exportLogsRoute } from './export/export-logs.ts';
import { getCheckpointRoute } from './proofs/get-checkpoint.ts';
import { getEntryBundleRoute } from './proofs/get-entry-bundle.ts';
import { getLogRoute } from './trail/get-log.ts';
import { getTileRoute } from './proofs/get-tile.ts';
import { getWebhookRoute } from './webhooks/get-webhook.ts';
import { listLogsRoute } from './trail/list-logs.ts';
import { listQuarantineRoute } from './quarantine/list-quarantine.ts';
import { listWebhookDeliveriesRoute } from './webhooks/list-webhook-deliveries.ts';
import { listWebhooksRoute } from './webhooks/list-webhooks.ts';
import { proveConsistencyRoute } from './proofs/prove-consistency.ts';
import { proveLogRoute } from './proofs/prove-log.ts';
import { recordEventsRoute } from './app-events/record-events.ts';
import { replayQuarantineRoute } from './quarantine/replay-all.ts';
import { replayQuarantinedRoute } from './quarantine/replay-one.ts';
import { retryWebhookDeliveryRoute } from './webhooks/retry-webhook-delivery.ts';
import { rotateWebhookSecretRoute } from './webhooks/rotate-webhook-secret.ts';
import { streamLogsRoute } from './live/stream-logs.ts';
import { updateWebhookRoute } from './webhooks/update-webhook.ts';
import { measureSealer } from './sealing/sealer-metrics.ts';
import { createCheckpointSigner } from './sealing/checkpoint-signer.ts';
import { createCheckpointPublisher } from './sealing/checkpoint-publisher.ts';
import { checkSealer, createSealer } from './sealing/sealer.ts';
import { createTree } from './proofs/tree.ts';
import { createSearchTerms } from './search/search-terms.ts';
import { createStreams } from './live/streams.ts';
import type { Tables } from './tables.ts';
import { runMaintenance } from './maintenance.ts';
import { createViewerCheck } from './viewer-tokens/viewer-check.ts';
import { viewerTokens } from './viewer-tokens/routes.ts';
import { createWebhooks } from './webhooks/webhooks.ts';

const UPKEEP_PAUSE_MS = 60 * 60_000;
const COMPLETE_PAUSE_MS = 10_000;

/** The audit service: keeps what happened, and shows each what concerns them. */
export async function buildApp(config: Config): Promise<AuditContext> {
  const keys = await loadLogKeys(config.AUDIT_KEY_FILE, config.AUDIT_ORIGIN);
  const bucket = openAuditBucket(config);
  const context = await createServer<Tables>({
    service: 'audit',
    schema: 'audit',
    source: 'audit',
    config,
    migrations: [{ name: 'audit', folder: join(import.meta.dirname, 'migrations') }],
    viewers: (db) => (tokenHash) => findViewerByHash(db, tokenHash),
  });
  const base = flatServer(context);
  context.erasures.handle(eraseSubjects(base.db, base.subjectKeys, bucket));
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
  const trail = createTrailWatch({
    db: base.db,
    stream: config.KINESIS_STREAM,
    replica: config.REPLICA,
    log: base.log,
  });
  const signer = createCheckpointSigner({ db: base.db, keys, origin: config.AUDIT_ORIGIN });
  const sealer = createSealer({
    db: base.db,
    replica: config.REPLICA,
    log: base.log,
    signer,
    publisher: createCheckpointPublisher({
      db: base.db,
      bucket,
      signer,
      lockDays: config.AUDIT_CHECKPOINT_LOCK_DAYS,
    }),
    leaseTtlMs: config.SEALER_LEASE_TTL_MS,
    pollMs: config.SEALER_POLL_MS,
    checkpointMs: config.AUDIT_CHECKPOINT_MS,
  });
  context.health.add({ ...trail.check, name: 'trail', critical: false });
  context.health.add({
    name: 'sealer',
    critical: false,
    check: async () => checkSealer(sealer.status()),
  });
  context.health.add({ name: 's3', critical: false, check: () => bucket.check() });
  const server: AuditContext = {
    ...base,
    config,
    bucket,
    consumer,
    searchTerms,
    sealer,
    streams: createStreams(base, config),
    trail,
    tree: createTree({ db: base.db }),
    isViewerTokenValid: createViewerCheck((ids) => findValidTokenIds(base.db, ids)),
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
      () => runMaintenance(server),
      (error) => server.log.warn({ err: error }, 'upkeep of the log failed; it is tried again'),
    ),
  );

  server.background(
    repeat(
      'search-terms',
      COMPLETE_PAUSE_MS,
      async () => {
        await searchTerms.completeMarked();
      },
      (error) =>
        server.log.warn({ err: error }, 'search terms could not be completed; it is tried again'),
    ),
  );

  server.background(watchJournal(server));
  server.background(createRetentionLoop(server));

  await registerFeatures(server.http.app, server, [viewerTokens]);

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
