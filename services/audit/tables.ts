import type { Generated } from 'kysely';

export interface EventsTable {
  id: string;
  source: string;
  lane: number;
  seq: number;
  tenant_id: string | null;
  action: string;
  outcome: 'success' | 'failure';
  user_id: string | null;
  subject: string | null;
  resource: string | null;
  resource_type: string | null;
  session_id: string | null;
  request_id: string;
  error: string | null;
  timestamp: Date;
  /** The sealed bytes (see `sealedForm`). The other columns are projections of them. */
  record: string;
  personal_key_id: string | null;
  personal_nonce: string | null;
  personal_ciphertext: string | null;
}

export interface LanesTable {
  source: string;
  lane: number;
  /** `int8multirange` of the numbers that have arrived. */
  received: Generated<string>;
  duplicates: Generated<number>;
  /** All numbers up to this one have arrived. */
  watermark: Generated<number>;
}

export interface ShardsTable {
  stream: string;
  stream_created: Date;
  shard_id: string;
  parent_ids: string[];
  checkpoint: string | null;
  ended: Generated<boolean>;
  owner: string | null;
  epoch: Generated<number>;
  expires_at: Generated<Date>;
  /**
   * How far what is stored is behind the newest record, as its holder last said; null before the
   * first read.
   */
  lag_ms: number | null;
  read_at: Date | null;
}

export interface QuarantineTable {
  id: Generated<string>;
  stream: string;
  shard_id: string;
  sequence_number: string;
  reason: QuarantineReason;
  /** The reason in words. */
  detail: string;
  /** The record, cut to the most bytes that an event may have. */
  data: Buffer;
  /** Bytes of the whole record. */
  size: number;
  /** Its number counts as received, so the trail lacks the event until it is replayed. */
  counted: Generated<boolean>;
  /** What the record claims; null where it does not decode. */
  source: string | null;
  lane: number | null;
  seq: number | null;
  event_id: string | null;
  /** The day key that encrypts `data`; null where it is plain. */
  key_id: string | null;
  /** Ids that occur in the bytes. */
  mentions: Generated<string[]>;
  received_at: Generated<Date>;
}

/**
 * - `unreadable`: does not decode as an event.
 * - `forged`: decodes, but no outbox has sent it.
 * - `contradiction`: its number or its id belongs to another event.
 * - `refused`: PostgreSQL refuses its contents.
 */
export type QuarantineReason = 'unreadable' | 'forged' | 'contradiction' | 'refused';

export interface QuarantineReplaysTable {
  quarantine_id: string;
  event_id: string;
  /** `known`: the log had the event already. */
  outcome: 'stored' | 'known';
  replayed_by: string | null;
  replayed_at: Generated<Date>;
}

export interface StreamLossesTable {
  id: Generated<string>;
  stream: string;
  kind: 'made_anew' | 'shard_trimmed';
  shard_id: string | null;
  noticed_at: Generated<Date>;
}

export interface HolesTable {
  source: string;
  lane: number;
  first_seen: Date;
  /** `int8multirange` */
  numbers: string;
  reported: Generated<boolean>;
}

export interface DeclaredLostTable {
  source: string;
  lane: number;
  first_seq: number;
  last_seq: number;
  /** The `EVENTS_DECLARED_LOST`. */
  event_id: string;
  declared_at: Generated<Date>;
}

export interface DifferencesTable {
  kind: 'row_without_event' | 'event_without_row' | 'change_without_event';
  row_type: 'user' | 'session' | 'file';
  row_id: string;
  first_seen: Generated<Date>;
  resolved_at: Date | null;
}

export interface ReconciliationTable {
  checked_until: Date | null;
  swept_at: Date | null;
  unverifiable_rows: Generated<number>;
}

export interface ConsumersTable {
  name: string;
  expires_at: Date;
}

export interface SealedTable {
  /** The leaf's place in the Merkle log, from 0. */
  index: number;
  event_id: string;
}

export interface TilesTable {
  level: number;
  index: number;
  /** 256 hashes. */
  hashes: Buffer;
}

export interface TreeTable {
  id: Generated<boolean>;
  size: number;
  /** See `encodeEdge`. */
  edge: Buffer;
}

export interface SealLanesTable {
  source: string;
  lane: number;
  sealed_seq: Generated<number>;
}

export interface SealLateTable {
  event_id: string;
}

export interface CheckpointsTable {
  size: number;
  root: Buffer;
  /** The signed note (C2SP tlog-checkpoint). */
  note: string;
  created_at: Generated<Date>;
}

export interface SearchTermsTable {
  term: Buffer;
  event_id: string;
  subject: string;
}

/** Maps a caller's id to our event. */
export interface AppEventsTable {
  tenant_id: string;
  caller_id: string;
  event_id: string;
  subject: string | null;
  /** HMAC of the sent event; null once its subject is erased. */
  fingerprint: Buffer | null;
}

export interface ViewerTokensTable {
  id: string;
  /** SHA-256 */
  token_hash: Buffer;
  tenant_id: string;
  created_by: string;
  created: Generated<Date>;
  expires_at: Date;
  revoked_at: Date | null;
}

export interface ArchivesTable {
  /** `YYYY_MM` */
  month: string;
  object_key: string;
  rows: number;
  first_index: number | null;
  last_index: number | null;
  tree_size: number;
  bytes: number;
  sha256: Buffer;
  archived_at: Generated<Date>;
  dropped_at: Date | null;
  drop_announced: Date | null;
  restored_at: Date | null;
  restore_announced: Date | null;
  keep_until: Date | null;
}

export interface WebhooksTable {
  id: string;
  url: string;
  description: string | null;
  /** Whole actions, or prefixes ending with `*`; empty for all. */
  actions: string[];
  tenant_id: string | null;
  include_personal: boolean;
  enabled: Generated<boolean>;
  disabled_reason: 'gone' | 'failing' | null;
  /** Wrapped by the master key. */
  wrapped_secret: Buffer;
  wrapped_previous_secret: Buffer | null;
  previous_secret_until: Date | null;
  /** The log is processed up to this index. */
  position: number;
  /** Consecutive failures. */
  failures: Generated<number>;
  failing_since: Date | null;
  probe_at: Date | null;
  created_by: string;
  created: Generated<Date>;
  updated: Generated<Date>;
}

export interface WebhookDeliveriesTable {
  webhook_id: string;
  event_id: string;
  index: number;
  status: Generated<'pending' | 'dead'>;
  attempts: Generated<number>;
  next_attempt_at: Generated<Date>;
  last_attempt_at: Date | null;
  last_status: number | null;
  last_error: string | null;
  created: Generated<Date>;
}

export interface Tables {
  'audit.events': EventsTable;
  'audit.lanes': LanesTable;
  'audit.shards': ShardsTable;
  'audit.quarantine': QuarantineTable;
  'audit.consumers': ConsumersTable;
  'audit.sealed': SealedTable;
  'audit.tiles': TilesTable;
  'audit.tree': TreeTable;
  'audit.seal_lanes': SealLanesTable;
  'audit.seal_late': SealLateTable;
  'audit.checkpoints': CheckpointsTable;
  'audit.search_terms': SearchTermsTable;
  'audit.app_events': AppEventsTable;
  'audit.viewer_tokens': ViewerTokensTable;
  'audit.archives': ArchivesTable;
  'audit.stream_losses': StreamLossesTable;
  'audit.holes': HolesTable;
  'audit.declared_lost': DeclaredLostTable;
  'audit.differences': DifferencesTable;
  'audit.reconciliation': ReconciliationTable;
  'audit.quarantine_replays': QuarantineReplaysTable;
  'audit.webhooks': WebhooksTable;
  'audit.webhook_deliveries': WebhookDeliveriesTable;
}
