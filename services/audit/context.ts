import type { Server } from '@muniment/server';
import type { TrailWatch } from './completeness/watch-trail.ts';
import type { AuditBucket } from './object-store/audit-bucket.ts';
import type { Config } from './config.ts';
import type { Consumer } from './consumer/consumer.ts';
import type { Sealer } from './sealing/sealer.ts';
import type { Tree } from './proofs/tree.ts';
import type { SearchTerms } from './search/search-terms.ts';
import type { Streams } from './live/streams.ts';
import type { Tables } from './tables.ts';
import type { ViewerCheck } from './viewer-tokens/viewer-check.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

/** The audit service's parts, as routes and loops take them. */
export interface AuditContext extends Server<Tables> {
  config: Config;
  bucket: AuditBucket;
  consumer: Consumer;
  searchTerms: SearchTerms;
  trail: TrailWatch;
  streams: Streams;
  sealer: Sealer;
  tree: Tree;
  isViewerTokenValid: ViewerCheck;
  webhooks: Webhooks;
}
