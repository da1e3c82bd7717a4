import { join } from 'node:path';
import { loadLogKeys } from '@muniment/audit-key';
import { createServer, type ServiceContext } from '@muniment/server';
import { openTrailWatch } from './completeness/open-trail-watch.ts';
import type { TrailWatch } from './completeness/trail-watch.ts';
import type { Config } from './config.ts';
import type { Consumer } from './consumer/consumer.ts';
import { openConsumer } from './consumer/open-consumer.ts';
import { openStreams, type Streams } from './live/streams.ts';
import { openAuditBucket, type AuditBucket } from './object-store/audit-bucket.ts';
import { createTree, type Tree } from './proofs/tree/tree.ts';
import { openSealing } from './sealing/open-sealing.ts';
import type { Sealer } from './sealing/sealer.ts';
import { openSearchTerms } from './search/open-search-terms.ts';
import type { SearchTerms } from './search/search-terms.ts';
import type { Tables } from './tables.ts';
import { openViewerCheck } from './viewer-tokens/open-viewer-check.ts';
import type { ViewerCheck } from './viewer-tokens/viewer-check.ts';
import { findViewerByHash } from './viewer-tokens/viewer-token-queries.ts';
import { openWebhooks, type Webhooks } from './webhooks/webhooks.ts';

/** What the audit service's parts are opened with. */
export interface BaseContext extends ServiceContext<Tables> {
  config: Config;
  /** Outlives the database: the erasure journal, checkpoints, archives. */
  bucket: AuditBucket;
}

/** The audit service's parts, in groups. A handler takes the groups that it uses. */
export interface AuditContext extends BaseContext {
  searchTerms: SearchTerms;
  tree: Tree;
  streams: Streams;
  isViewerTokenValid: ViewerCheck;
  webhooks: Webhooks;
  /** How events get into the sealed log. They run by themselves. */
  ingest: { consumer: Consumer; sealer: Sealer; trailWatch: TrailWatch };
}

/** Builds the context. @throws as `createServer`, and when the audit keys cannot be read */
export async function createContext(config: Config): Promise<AuditContext> {
  const keys = await loadLogKeys(config.AUDIT_KEY_FILE, config.AUDIT_ORIGIN);
  const service = await createServer<Tables>({
    service: 'audit',
    schema: 'audit',
    source: 'audit',
    config,
    migrations: [{ name: 'audit', folder: join(import.meta.dirname, 'migrations') }],
    viewers: (db) => (tokenHash) => findViewerByHash(db, tokenHash),
  });
  const bucket = openAuditBucket(config);
  service.jobs.closeAfter(() => bucket.close());
  service.health.add({ name: 's3', critical: false, check: () => bucket.check() });
  const base: BaseContext = { ...service, config, bucket };
  const searchTerms = openSearchTerms(base);
  const tree = createTree({ db: base.data.db });
  return {
    ...base,
    searchTerms,
    tree,
    streams: openStreams(base, tree),
    isViewerTokenValid: openViewerCheck(base),
    webhooks: openWebhooks(base),
    ingest: {
      consumer: openConsumer(base, searchTerms),
      sealer: openSealing(base, keys),
      trailWatch: openTrailWatch(base),
    },
  };
}
