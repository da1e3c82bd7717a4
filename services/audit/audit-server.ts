import type { Server } from '@muniment/server';
import type { TrailWatch } from './completeness/watch-trail.ts';
import type { AuditBucket } from './audit-bucket.ts';
import type { Config } from './config.ts';
import type { Consumer } from './consumer/consumer.ts';
import type { Sealer } from './seal/sealer.ts';
import type { Tree } from './seal/tree.ts';
import type { SearchTerms } from './search-terms.ts';
import type { Streams } from './stream/streams.ts';
import type { Tables } from './tables.ts';
import type { ViewerCheck } from './viewer-check.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

/** The audit service's parts, as routes and loops take them. */
export interface AuditServer extends Server<Tables> {
  config: Config;
  bucket: AuditBucket;
  consumer: Consumer;
  searchTerms: SearchTerms;
  trail: TrailWatch;
  streams: Streams;
  sealer: Sealer;
  tree: Tree;
  viewerCounts: ViewerCheck;
  webhooks: Webhooks;
}
