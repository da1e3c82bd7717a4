-- Made by scripts/schema-dump.ts from the migrations; do not edit. Without the partitions of single months.

CREATE SCHEMA audit;
GRANT USAGE ON SCHEMA audit TO audit_reconciler;
GRANT USAGE ON SCHEMA audit TO audit_retention;
GRANT USAGE ON SCHEMA audit TO audit_service;

CREATE SCHEMA files;
GRANT USAGE ON SCHEMA files TO file_service;

CREATE SCHEMA identity;
GRANT USAGE ON SCHEMA identity TO user_service;

CREATE SCHEMA keys;
GRANT USAGE ON SCHEMA keys TO audit_service;
GRANT USAGE ON SCHEMA keys TO file_service;
GRANT USAGE ON SCHEMA keys TO user_service;

CREATE SCHEMA shared;
GRANT USAGE ON SCHEMA shared TO audit_reconciler;
GRANT USAGE ON SCHEMA shared TO audit_service;
GRANT USAGE ON SCHEMA shared TO file_service;
GRANT USAGE ON SCHEMA shared TO user_service;

CREATE TABLE audit.app_events (
  tenant_id text NOT NULL,
  caller_id text NOT NULL,
  event_id uuid NOT NULL,
  subject text,
  fingerprint bytea
);
ALTER TABLE audit.app_events ADD CONSTRAINT app_events_pkey PRIMARY KEY (tenant_id, caller_id);
CREATE INDEX app_events_age ON audit.app_events USING btree (event_id);
CREATE INDEX app_events_subject ON audit.app_events USING btree (subject) WHERE ((fingerprint IS NOT NULL) AND (subject IS NOT NULL));
GRANT DELETE, INSERT, SELECT ON audit.app_events TO audit_service;
GRANT UPDATE (fingerprint) ON audit.app_events TO audit_service;

CREATE TABLE audit.archives (
  month text NOT NULL,
  object_key text NOT NULL,
  rows bigint NOT NULL,
  first_index bigint,
  last_index bigint,
  tree_size bigint NOT NULL,
  bytes bigint NOT NULL,
  sha256 bytea NOT NULL,
  archived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
  dropped_at timestamp with time zone,
  drop_announced timestamp with time zone,
  restored_at timestamp with time zone,
  restore_announced timestamp with time zone,
  keep_until timestamp with time zone
);
ALTER TABLE audit.archives ADD CONSTRAINT archives_month_check CHECK ((month ~ '^[0-9]{4}_(0[1-9]|1[0-2])$'::text));
ALTER TABLE audit.archives ADD CONSTRAINT archives_pkey PRIMARY KEY (month);
ALTER TABLE audit.archives ADD CONSTRAINT archives_rows_check CHECK ((rows >= 0));
ALTER TABLE audit.archives ADD CONSTRAINT archives_sha256_check CHECK ((octet_length(sha256) = 32));
GRANT SELECT ON audit.archives TO audit_retention;
GRANT SELECT ON audit.archives TO audit_service;
GRANT SELECT (month, dropped_at) ON audit.archives TO audit_reconciler;
GRANT UPDATE (drop_announced, restore_announced) ON audit.archives TO audit_service;

CREATE TABLE audit.checkpoints (
  size bigint NOT NULL,
  root bytea NOT NULL,
  note text NOT NULL,
  created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE audit.checkpoints ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (size);
ALTER TABLE audit.checkpoints ADD CONSTRAINT checkpoints_root_check CHECK ((octet_length(root) = 32));
ALTER TABLE audit.checkpoints ADD CONSTRAINT checkpoints_size_check CHECK ((size >= 0));
GRANT INSERT, SELECT ON audit.checkpoints TO audit_service;

CREATE TABLE audit.consumers (
  name text NOT NULL,
  expires_at timestamp with time zone NOT NULL
);
ALTER TABLE audit.consumers ADD CONSTRAINT consumers_pkey PRIMARY KEY (name);
GRANT DELETE, INSERT, SELECT, UPDATE ON audit.consumers TO audit_service;

CREATE TABLE audit.declared_lost (
  source text NOT NULL,
  lane smallint NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  event_id uuid NOT NULL,
  declared_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE audit.declared_lost ADD CONSTRAINT declared_lost_check CHECK ((last_seq >= first_seq));
ALTER TABLE audit.declared_lost ADD CONSTRAINT declared_lost_pkey PRIMARY KEY (source, lane, first_seq);
GRANT INSERT, SELECT ON audit.declared_lost TO audit_service;

CREATE TABLE audit.differences (
  kind text NOT NULL,
  row_type text NOT NULL,
  row_id text NOT NULL,
  first_seen timestamp with time zone DEFAULT now() NOT NULL,
  resolved_at timestamp with time zone
);
ALTER TABLE audit.differences ADD CONSTRAINT differences_kind_check CHECK ((kind = ANY (ARRAY['row_without_event'::text, 'event_without_row'::text, 'change_without_event'::text])));
ALTER TABLE audit.differences ADD CONSTRAINT differences_pkey PRIMARY KEY (kind, row_type, row_id);
CREATE INDEX differences_open ON audit.differences USING btree (first_seen) WHERE (resolved_at IS NULL);
GRANT INSERT, SELECT, UPDATE ON audit.differences TO audit_reconciler;
GRANT SELECT ON audit.differences TO audit_service;

CREATE TABLE audit.events (
  id uuid NOT NULL,
  source text NOT NULL,
  lane smallint NOT NULL,
  seq bigint NOT NULL,
  tenant_id text,
  action text NOT NULL,
  outcome text NOT NULL,
  user_id uuid,
  subject text,
  resource text,
  resource_type text,
  session_id uuid,
  request_id text NOT NULL,
  error text,
  "timestamp" timestamp with time zone NOT NULL,
  record text NOT NULL,
  personal_key_id uuid,
  personal_nonce text,
  personal_ciphertext text
) PARTITION BY RANGE (id);
ALTER TABLE audit.events ADD CONSTRAINT events_pkey PRIMARY KEY (id);
CREATE INDEX events_about_others ON ONLY audit.events USING btree (((user_id)::text), id) WHERE (subject IS DISTINCT FROM (user_id)::text);
CREATE INDEX events_action ON ONLY audit.events USING btree (action, id);
CREATE INDEX events_lane ON ONLY audit.events USING btree (source, lane, seq);
CREATE INDEX events_request ON ONLY audit.events USING btree (request_id, id);
CREATE INDEX events_resource ON ONLY audit.events USING btree (resource, id) WHERE (resource IS NOT NULL);
CREATE INDEX events_resource_type ON ONLY audit.events USING btree (resource_type, id) WHERE (resource_type IS NOT NULL);
CREATE INDEX events_session ON ONLY audit.events USING btree (session_id, id) WHERE (session_id IS NOT NULL);
CREATE INDEX events_source_and_outcome ON ONLY audit.events USING btree ((((source || ' '::text) || outcome)), id);
CREATE INDEX events_subject ON ONLY audit.events USING btree (subject, id);
CREATE INDEX events_tenant ON ONLY audit.events USING btree (tenant_id, id) WHERE (tenant_id IS NOT NULL);
CREATE INDEX events_user ON ONLY audit.events USING btree (user_id, id);
GRANT INSERT, SELECT ON audit.events TO audit_service;

CREATE TABLE audit.events_default (
  id uuid NOT NULL,
  source text NOT NULL,
  lane smallint NOT NULL,
  seq bigint NOT NULL,
  tenant_id text,
  action text NOT NULL,
  outcome text NOT NULL,
  user_id uuid,
  subject text,
  resource text,
  resource_type text,
  session_id uuid,
  request_id text NOT NULL,
  error text,
  "timestamp" timestamp with time zone NOT NULL,
  record text NOT NULL,
  personal_key_id uuid,
  personal_nonce text,
  personal_ciphertext text
) /* PARTITION OF audit.events DEFAULT */;
ALTER TABLE audit.events_default ADD CONSTRAINT events_default_pkey PRIMARY KEY (id);
CREATE INDEX events_default_action_id_idx ON audit.events_default USING btree (action, id);
CREATE INDEX events_default_expr_id_idx ON audit.events_default USING btree ((((source || ' '::text) || outcome)), id);
CREATE INDEX events_default_request_id_id_idx ON audit.events_default USING btree (request_id, id);
CREATE INDEX events_default_resource_id_idx ON audit.events_default USING btree (resource, id) WHERE (resource IS NOT NULL);
CREATE INDEX events_default_resource_type_id_idx ON audit.events_default USING btree (resource_type, id) WHERE (resource_type IS NOT NULL);
CREATE INDEX events_default_session_id_id_idx ON audit.events_default USING btree (session_id, id) WHERE (session_id IS NOT NULL);
CREATE INDEX events_default_source_lane_seq_idx ON audit.events_default USING btree (source, lane, seq);
CREATE INDEX events_default_subject_id_idx ON audit.events_default USING btree (subject, id);
CREATE INDEX events_default_tenant_id_id_idx ON audit.events_default USING btree (tenant_id, id) WHERE (tenant_id IS NOT NULL);
CREATE INDEX events_default_user_id_id_idx ON audit.events_default USING btree (user_id, id);
CREATE INDEX events_default_user_id_id_idx1 ON audit.events_default USING btree (((user_id)::text), id) WHERE (subject IS DISTINCT FROM (user_id)::text);

CREATE TABLE audit.holes (
  source text NOT NULL,
  lane smallint NOT NULL,
  first_seen timestamp with time zone NOT NULL,
  numbers int8multirange NOT NULL,
  reported boolean DEFAULT false NOT NULL
);
ALTER TABLE audit.holes ADD CONSTRAINT holes_pkey PRIMARY KEY (source, lane, first_seen);
GRANT DELETE, INSERT, SELECT, UPDATE ON audit.holes TO audit_service;

CREATE TABLE audit.idempotency_keys (
  scope bytea NOT NULL,
  fingerprint bytea NOT NULL,
  user_id uuid,
  sealed bytea NOT NULL,
  created timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE audit.idempotency_keys ADD CONSTRAINT idempotency_keys_fingerprint_check CHECK ((octet_length(fingerprint) = 32));
ALTER TABLE audit.idempotency_keys ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope);
ALTER TABLE audit.idempotency_keys ADD CONSTRAINT idempotency_keys_scope_check CHECK ((octet_length(scope) = 32));
CREATE INDEX idempotency_keys_created ON audit.idempotency_keys USING btree (created);
CREATE INDEX idempotency_keys_user ON audit.idempotency_keys USING btree (user_id) WHERE (user_id IS NOT NULL);
GRANT DELETE, INSERT, SELECT ON audit.idempotency_keys TO audit_service;
GRANT UPDATE (created) ON audit.idempotency_keys TO audit_service;

CREATE TABLE audit.idempotency_secret (
  id boolean DEFAULT true NOT NULL,
  wrapped bytea NOT NULL
);
ALTER TABLE audit.idempotency_secret ADD CONSTRAINT idempotency_secret_id_check CHECK (id);
ALTER TABLE audit.idempotency_secret ADD CONSTRAINT idempotency_secret_pkey PRIMARY KEY (id);
GRANT INSERT, SELECT ON audit.idempotency_secret TO audit_service;

CREATE TABLE audit.lanes (
  source text NOT NULL,
  lane smallint NOT NULL,
  received int8multirange DEFAULT '{}'::int8multirange NOT NULL,
  duplicates bigint DEFAULT 0 NOT NULL,
  watermark bigint GENERATED ALWAYS AS ((lower((int8multirange(int8range((1)::bigint, NULL::bigint)) - received)) - 1)) STORED
);
ALTER TABLE audit.lanes ADD CONSTRAINT lanes_pkey PRIMARY KEY (source, lane);
GRANT SELECT, UPDATE ON audit.lanes TO audit_service;

CREATE TABLE audit.leases (
  name text NOT NULL,
  holder text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamp with time zone NOT NULL
);
ALTER TABLE audit.leases ADD CONSTRAINT leases_pkey PRIMARY KEY (name);
GRANT INSERT, SELECT, UPDATE ON audit.leases TO audit_service;

CREATE TABLE audit.outbox (
  "position" bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  event_id uuid NOT NULL,
  lane smallint NOT NULL,
  seq bigint,
  head text NOT NULL,
  tail text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  sent_at timestamp with time zone
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE audit.outbox ADD CONSTRAINT outbox_event_id_key UNIQUE (event_id);
ALTER TABLE audit.outbox ADD CONSTRAINT outbox_pkey PRIMARY KEY ("position");
CREATE UNIQUE INDEX outbox_claimed ON audit.outbox USING btree (lane, seq) WHERE (seq IS NOT NULL);
CREATE INDEX outbox_unclaimed ON audit.outbox USING btree ("position") WHERE (seq IS NULL);
GRANT DELETE, INSERT, SELECT, UPDATE ON audit.outbox TO audit_service;

CREATE TABLE audit.outbox_lanes (
  lane smallint NOT NULL,
  last_seq bigint DEFAULT 0 NOT NULL
);
ALTER TABLE audit.outbox_lanes ADD CONSTRAINT outbox_lanes_pkey PRIMARY KEY (lane);
GRANT SELECT, UPDATE ON audit.outbox_lanes TO audit_service;

CREATE TABLE audit.quarantine (
  id uuid DEFAULT uuidv7() NOT NULL,
  stream text NOT NULL,
  shard_id text NOT NULL,
  sequence_number text NOT NULL,
  detail text NOT NULL,
  data bytea NOT NULL,
  received_at timestamp with time zone DEFAULT now() NOT NULL,
  key_id uuid,
  mentions uuid[] DEFAULT '{}'::uuid[] NOT NULL,
  reason text DEFAULT 'unreadable'::text NOT NULL,
  counted boolean DEFAULT false NOT NULL,
  size integer DEFAULT 0 NOT NULL,
  source text,
  lane smallint,
  seq bigint,
  event_id uuid
);
ALTER TABLE audit.quarantine ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);
ALTER TABLE audit.quarantine ADD CONSTRAINT quarantine_reason_check CHECK ((reason = ANY (ARRAY['unreadable'::text, 'forged'::text, 'contradiction'::text, 'refused'::text])));
ALTER TABLE audit.quarantine ADD CONSTRAINT quarantine_stream_shard_id_sequence_number_key UNIQUE (stream, shard_id, sequence_number);
CREATE INDEX quarantine_counted ON audit.quarantine USING btree (id) WHERE counted;
CREATE INDEX quarantine_mentions ON audit.quarantine USING gin (mentions);
CREATE INDEX quarantine_reason ON audit.quarantine USING btree (reason, id);
GRANT INSERT, SELECT ON audit.quarantine TO audit_service;

CREATE TABLE audit.quarantine_replays (
  quarantine_id uuid NOT NULL,
  event_id uuid NOT NULL,
  outcome text NOT NULL,
  replayed_by uuid,
  replayed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE audit.quarantine_replays ADD CONSTRAINT quarantine_replays_outcome_check CHECK ((outcome = ANY (ARRAY['stored'::text, 'known'::text])));
ALTER TABLE audit.quarantine_replays ADD CONSTRAINT quarantine_replays_pkey PRIMARY KEY (quarantine_id);
ALTER TABLE audit.quarantine_replays ADD CONSTRAINT quarantine_replays_quarantine_id_fkey FOREIGN KEY (quarantine_id) REFERENCES audit.quarantine(id) ON DELETE CASCADE;
GRANT INSERT, SELECT ON audit.quarantine_replays TO audit_service;

CREATE TABLE audit.reconciliation (
  id boolean DEFAULT true NOT NULL,
  checked_until timestamp with time zone,
  swept_at timestamp with time zone,
  unverifiable_rows bigint DEFAULT 0 NOT NULL
);
ALTER TABLE audit.reconciliation ADD CONSTRAINT reconciliation_id_check CHECK (id);
ALTER TABLE audit.reconciliation ADD CONSTRAINT reconciliation_pkey PRIMARY KEY (id);
GRANT SELECT, UPDATE ON audit.reconciliation TO audit_reconciler;
GRANT SELECT ON audit.reconciliation TO audit_service;

CREATE TABLE audit.seal_lanes (
  source text NOT NULL,
  lane smallint NOT NULL,
  sealed_seq bigint DEFAULT 0 NOT NULL
);
ALTER TABLE audit.seal_lanes ADD CONSTRAINT seal_lanes_pkey PRIMARY KEY (source, lane);
GRANT SELECT, UPDATE ON audit.seal_lanes TO audit_service;

CREATE TABLE audit.seal_late (
  event_id uuid NOT NULL
);
ALTER TABLE audit.seal_late ADD CONSTRAINT seal_late_pkey PRIMARY KEY (event_id);
GRANT DELETE, INSERT, SELECT ON audit.seal_late TO audit_service;

CREATE TABLE audit.sealed (
  index bigint NOT NULL,
  event_id uuid NOT NULL
);
ALTER TABLE audit.sealed ADD CONSTRAINT sealed_event_id_key UNIQUE (event_id);
ALTER TABLE audit.sealed ADD CONSTRAINT sealed_index_check CHECK ((index >= 0));
ALTER TABLE audit.sealed ADD CONSTRAINT sealed_pkey PRIMARY KEY (index);
GRANT INSERT, SELECT ON audit.sealed TO audit_service;

CREATE TABLE audit.search_terms (
  term bytea NOT NULL,
  event_id uuid NOT NULL,
  subject text NOT NULL
);
ALTER TABLE audit.search_terms ADD CONSTRAINT search_terms_pkey PRIMARY KEY (term, event_id);
CREATE INDEX search_terms_address ON audit.search_terms USING btree (event_id) WHERE (subject ~~ 'address:%'::text);
CREATE INDEX search_terms_subject ON audit.search_terms USING btree (subject);
GRANT DELETE, SELECT ON audit.search_terms TO audit_service;

CREATE TABLE audit.shards (
  stream text NOT NULL,
  stream_created timestamp with time zone NOT NULL,
  shard_id text NOT NULL,
  parent_ids text[] DEFAULT '{}'::text[] NOT NULL,
  checkpoint text,
  ended boolean DEFAULT false NOT NULL,
  owner text,
  epoch bigint DEFAULT 0 NOT NULL,
  expires_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
  lag_ms bigint,
  read_at timestamp with time zone
);
ALTER TABLE audit.shards ADD CONSTRAINT shards_pkey PRIMARY KEY (stream, stream_created, shard_id);
GRANT DELETE, INSERT, SELECT, UPDATE ON audit.shards TO audit_service;

CREATE TABLE audit.stream_losses (
  id uuid DEFAULT uuidv7() NOT NULL,
  stream text NOT NULL,
  kind text NOT NULL,
  shard_id text,
  noticed_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE audit.stream_losses ADD CONSTRAINT stream_losses_kind_check CHECK ((kind = ANY (ARRAY['made_anew'::text, 'shard_trimmed'::text])));
ALTER TABLE audit.stream_losses ADD CONSTRAINT stream_losses_pkey PRIMARY KEY (id);
GRANT INSERT, SELECT ON audit.stream_losses TO audit_service;

CREATE TABLE audit.tiles (
  level smallint NOT NULL,
  index bigint NOT NULL,
  hashes bytea NOT NULL
);
ALTER TABLE audit.tiles ADD CONSTRAINT tiles_hashes_check CHECK ((octet_length(hashes) = 8192));
ALTER TABLE audit.tiles ADD CONSTRAINT tiles_index_check CHECK ((index >= 0));
ALTER TABLE audit.tiles ADD CONSTRAINT tiles_level_check CHECK ((level >= 0));
ALTER TABLE audit.tiles ADD CONSTRAINT tiles_pkey PRIMARY KEY (level, index);
GRANT INSERT, SELECT ON audit.tiles TO audit_service;

CREATE TABLE audit.tree (
  id boolean DEFAULT true NOT NULL,
  size bigint DEFAULT 0 NOT NULL,
  edge bytea DEFAULT '\x'::bytea NOT NULL
);
ALTER TABLE audit.tree ADD CONSTRAINT tree_id_check CHECK (id);
ALTER TABLE audit.tree ADD CONSTRAINT tree_pkey PRIMARY KEY (id);
GRANT SELECT, UPDATE ON audit.tree TO audit_service;

CREATE TABLE audit.viewer_tokens (
  id uuid NOT NULL,
  token_hash bytea NOT NULL,
  tenant_id text NOT NULL,
  created_by uuid NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  revoked_at timestamp with time zone
);
ALTER TABLE audit.viewer_tokens ADD CONSTRAINT viewer_tokens_pkey PRIMARY KEY (id);
ALTER TABLE audit.viewer_tokens ADD CONSTRAINT viewer_tokens_token_hash UNIQUE (token_hash);
CREATE INDEX viewer_tokens_expiry ON audit.viewer_tokens USING btree (expires_at);
GRANT DELETE, INSERT, SELECT ON audit.viewer_tokens TO audit_service;
GRANT UPDATE (revoked_at) ON audit.viewer_tokens TO audit_service;

CREATE TABLE audit.webhook_deliveries (
  webhook_id uuid NOT NULL,
  event_id uuid NOT NULL,
  index bigint NOT NULL,
  status text DEFAULT 'pending'::text NOT NULL,
  attempts integer DEFAULT 0 NOT NULL,
  next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
  last_attempt_at timestamp with time zone,
  last_status smallint,
  last_error text,
  created timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE audit.webhook_deliveries ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (webhook_id, event_id);
ALTER TABLE audit.webhook_deliveries ADD CONSTRAINT webhook_deliveries_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'dead'::text])));
ALTER TABLE audit.webhook_deliveries ADD CONSTRAINT webhook_deliveries_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES audit.webhooks(id) ON DELETE CASCADE;
ALTER TABLE audit.webhook_deliveries ADD CONSTRAINT webhook_deliveries_webhook_id_index_key UNIQUE (webhook_id, index);
CREATE INDEX webhook_deliveries_due ON audit.webhook_deliveries USING btree (webhook_id, next_attempt_at) WHERE (status = 'pending'::text);
GRANT DELETE, INSERT, SELECT, UPDATE ON audit.webhook_deliveries TO audit_service;

CREATE TABLE audit.webhooks (
  id uuid NOT NULL,
  url text NOT NULL,
  description text,
  actions text[] NOT NULL,
  tenant_id text,
  include_personal boolean NOT NULL,
  enabled boolean DEFAULT true NOT NULL,
  disabled_reason text,
  wrapped_secret bytea NOT NULL,
  wrapped_previous_secret bytea,
  previous_secret_until timestamp with time zone,
  "position" bigint NOT NULL,
  failures integer DEFAULT 0 NOT NULL,
  failing_since timestamp with time zone,
  probe_at timestamp with time zone,
  created_by uuid NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  updated timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE audit.webhooks ADD CONSTRAINT webhooks_disabled_reason_check CHECK ((disabled_reason = ANY (ARRAY['gone'::text, 'failing'::text])));
ALTER TABLE audit.webhooks ADD CONSTRAINT webhooks_pkey PRIMARY KEY (id);
ALTER TABLE audit.webhooks ADD CONSTRAINT webhooks_position_check CHECK (("position" >= '-1'::integer));
GRANT DELETE, INSERT, SELECT, UPDATE ON audit.webhooks TO audit_service;

CREATE TABLE files.files (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  name text NOT NULL,
  size bigint,
  mime_type text,
  sha256 text,
  etag text,
  object_key text NOT NULL,
  object_version text,
  status text DEFAULT 'pending'::text NOT NULL,
  scan_status text DEFAULT 'unscanned'::text NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  updated timestamp with time zone DEFAULT now() NOT NULL,
  deleted_at timestamp with time zone
);
ALTER TABLE files.files ADD CONSTRAINT files_object_key_key UNIQUE (object_key);
ALTER TABLE files.files ADD CONSTRAINT files_pkey PRIMARY KEY (id);
ALTER TABLE files.files ADD CONSTRAINT files_ready_is_whole CHECK (((status <> 'ready'::text) OR ((size IS NOT NULL) AND (mime_type IS NOT NULL) AND (etag IS NOT NULL))));
ALTER TABLE files.files ADD CONSTRAINT files_scan_status_check CHECK ((scan_status = ANY (ARRAY['unscanned'::text, 'clean'::text, 'infected'::text, 'failed'::text])));
ALTER TABLE files.files ADD CONSTRAINT files_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'ready'::text, 'deleted'::text, 'purged'::text])));
CREATE INDEX files_created ON files.files USING brin (created);
CREATE INDEX files_of_user ON files.files USING btree (user_id, id DESC) WHERE (status = 'ready'::text);
CREATE INDEX files_to_settle ON files.files USING btree (updated) WHERE (status = ANY (ARRAY['pending'::text, 'deleted'::text]));
CREATE INDEX files_updated ON files.files USING brin (updated);
GRANT DELETE, INSERT, SELECT, UPDATE ON files.files TO file_service;

CREATE TABLE files.idempotency_keys (
  scope bytea NOT NULL,
  fingerprint bytea NOT NULL,
  user_id uuid,
  sealed bytea NOT NULL,
  created timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE files.idempotency_keys ADD CONSTRAINT idempotency_keys_fingerprint_check CHECK ((octet_length(fingerprint) = 32));
ALTER TABLE files.idempotency_keys ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope);
ALTER TABLE files.idempotency_keys ADD CONSTRAINT idempotency_keys_scope_check CHECK ((octet_length(scope) = 32));
CREATE INDEX idempotency_keys_created ON files.idempotency_keys USING btree (created);
CREATE INDEX idempotency_keys_user ON files.idempotency_keys USING btree (user_id) WHERE (user_id IS NOT NULL);
GRANT DELETE, INSERT, SELECT ON files.idempotency_keys TO file_service;
GRANT UPDATE (created) ON files.idempotency_keys TO file_service;

CREATE TABLE files.idempotency_secret (
  id boolean DEFAULT true NOT NULL,
  wrapped bytea NOT NULL
);
ALTER TABLE files.idempotency_secret ADD CONSTRAINT idempotency_secret_id_check CHECK (id);
ALTER TABLE files.idempotency_secret ADD CONSTRAINT idempotency_secret_pkey PRIMARY KEY (id);
GRANT INSERT, SELECT ON files.idempotency_secret TO file_service;

CREATE TABLE files.leases (
  name text NOT NULL,
  holder text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamp with time zone NOT NULL
);
ALTER TABLE files.leases ADD CONSTRAINT leases_pkey PRIMARY KEY (name);
GRANT INSERT, SELECT, UPDATE ON files.leases TO file_service;

CREATE TABLE files.object_batches (
  id uuid NOT NULL,
  updated timestamp with time zone DEFAULT now() NOT NULL,
  withdrawn timestamp with time zone
);
ALTER TABLE files.object_batches ADD CONSTRAINT object_batches_pkey PRIMARY KEY (id);
GRANT DELETE, INSERT, SELECT, UPDATE ON files.object_batches TO file_service;

CREATE TABLE files.orphans (
  object_key text NOT NULL,
  user_id uuid NOT NULL,
  since timestamp with time zone DEFAULT now() NOT NULL,
  not_before timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE files.orphans ADD CONSTRAINT orphans_pkey PRIMARY KEY (object_key);
CREATE INDEX orphans_not_before ON files.orphans USING btree (not_before);
CREATE INDEX orphans_of_user ON files.orphans USING btree (user_id);
GRANT DELETE, INSERT, SELECT, UPDATE ON files.orphans TO file_service;

CREATE TABLE files.outbox (
  "position" bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  event_id uuid NOT NULL,
  lane smallint NOT NULL,
  seq bigint,
  head text NOT NULL,
  tail text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  sent_at timestamp with time zone
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE files.outbox ADD CONSTRAINT outbox_event_id_key UNIQUE (event_id);
ALTER TABLE files.outbox ADD CONSTRAINT outbox_pkey PRIMARY KEY ("position");
CREATE UNIQUE INDEX outbox_claimed ON files.outbox USING btree (lane, seq) WHERE (seq IS NOT NULL);
CREATE INDEX outbox_unclaimed ON files.outbox USING btree ("position") WHERE (seq IS NULL);
GRANT DELETE, INSERT, SELECT, UPDATE ON files.outbox TO file_service;

CREATE TABLE files.outbox_lanes (
  lane smallint NOT NULL,
  last_seq bigint DEFAULT 0 NOT NULL
);
ALTER TABLE files.outbox_lanes ADD CONSTRAINT outbox_lanes_pkey PRIMARY KEY (lane);
GRANT SELECT, UPDATE ON files.outbox_lanes TO file_service;

CREATE TABLE files.profile_files (
  file_id uuid NOT NULL,
  unclaimed_since timestamp with time zone DEFAULT now()
);
ALTER TABLE files.profile_files ADD CONSTRAINT profile_files_pkey PRIMARY KEY (file_id);
CREATE INDEX profile_files_unclaimed ON files.profile_files USING btree (unclaimed_since) WHERE (unclaimed_since IS NOT NULL);
GRANT DELETE, INSERT, SELECT ON files.profile_files TO file_service;
GRANT UPDATE (unclaimed_since) ON files.profile_files TO file_service;

CREATE TABLE identity.access_token_lifetimes (
  seconds integer NOT NULL,
  used_at timestamp with time zone NOT NULL
);
ALTER TABLE identity.access_token_lifetimes ADD CONSTRAINT access_token_lifetimes_pkey PRIMARY KEY (seconds);
ALTER TABLE identity.access_token_lifetimes ADD CONSTRAINT access_token_lifetimes_seconds_check CHECK (((seconds >= 1) AND (seconds <= 86400)));
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.access_token_lifetimes TO user_service;

CREATE TABLE identity.api_tokens (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  allowed_ips cidr[] DEFAULT '{}'::cidr[] NOT NULL,
  ip text,
  user_agent text,
  created timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  last_used_at timestamp with time zone,
  last_used_ip text,
  revoked_at timestamp with time zone
) WITH (fillfactor=80);
ALTER TABLE identity.api_tokens ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (id);
ALTER TABLE identity.api_tokens ADD CONSTRAINT api_tokens_scopes_check CHECK ((cardinality(scopes) > 0));
ALTER TABLE identity.api_tokens ADD CONSTRAINT api_tokens_token_hash_check CHECK ((length(token_hash) = 32));
ALTER TABLE identity.api_tokens ADD CONSTRAINT api_tokens_token_hash_key UNIQUE (token_hash);
ALTER TABLE identity.api_tokens ADD CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
CREATE INDEX api_tokens_expiry ON identity.api_tokens USING btree (expires_at);
CREATE INDEX api_tokens_user ON identity.api_tokens USING btree (user_id, id DESC);
CREATE TRIGGER api_tokens_announce_deletion AFTER DELETE ON identity.api_tokens FOR EACH ROW WHEN (((old.revoked_at IS NULL) AND (old.expires_at > now()))) EXECUTE FUNCTION identity.announce_api_token_end();
CREATE TRIGGER api_tokens_announce_end AFTER UPDATE OF revoked_at, expires_at, user_id ON identity.api_tokens FOR EACH ROW WHEN (((old.revoked_at IS NULL) AND ((new.revoked_at IS NOT NULL) OR (new.expires_at < old.expires_at) OR (new.user_id <> old.user_id)))) EXECUTE FUNCTION identity.announce_api_token_end();
GRANT DELETE, INSERT, SELECT ON identity.api_tokens TO user_service;
GRANT UPDATE (revoked_at) ON identity.api_tokens TO user_service;

CREATE TABLE identity.email_changes (
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  email text NOT NULL,
  email_key text NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone NOT NULL
);
ALTER TABLE identity.email_changes ADD CONSTRAINT email_changes_pkey PRIMARY KEY (user_id);
ALTER TABLE identity.email_changes ADD CONSTRAINT email_changes_token_hash_key UNIQUE (token_hash);
ALTER TABLE identity.email_changes ADD CONSTRAINT email_changes_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.email_changes TO user_service;

CREATE TABLE identity.foreign_hash_costs (
  cost_class text NOT NULL,
  decoy text NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  imported timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE identity.foreign_hash_costs ADD CONSTRAINT foreign_hash_costs_pkey PRIMARY KEY (cost_class);
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.foreign_hash_costs TO user_service;

CREATE TABLE identity.idempotency_keys (
  scope bytea NOT NULL,
  fingerprint bytea NOT NULL,
  user_id uuid,
  sealed bytea NOT NULL,
  created timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE identity.idempotency_keys ADD CONSTRAINT idempotency_keys_fingerprint_check CHECK ((octet_length(fingerprint) = 32));
ALTER TABLE identity.idempotency_keys ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope);
ALTER TABLE identity.idempotency_keys ADD CONSTRAINT idempotency_keys_scope_check CHECK ((octet_length(scope) = 32));
CREATE INDEX idempotency_keys_created ON identity.idempotency_keys USING btree (created);
CREATE INDEX idempotency_keys_user ON identity.idempotency_keys USING btree (user_id) WHERE (user_id IS NOT NULL);
GRANT DELETE, INSERT, SELECT ON identity.idempotency_keys TO user_service;
GRANT UPDATE (created) ON identity.idempotency_keys TO user_service;

CREATE TABLE identity.idempotency_secret (
  id boolean DEFAULT true NOT NULL,
  wrapped bytea NOT NULL
);
ALTER TABLE identity.idempotency_secret ADD CONSTRAINT idempotency_secret_id_check CHECK (id);
ALTER TABLE identity.idempotency_secret ADD CONSTRAINT idempotency_secret_pkey PRIMARY KEY (id);
GRANT INSERT, SELECT ON identity.idempotency_secret TO user_service;

CREATE TABLE identity.leases (
  name text NOT NULL,
  holder text NOT NULL,
  epoch bigint NOT NULL,
  expires_at timestamp with time zone NOT NULL
);
ALTER TABLE identity.leases ADD CONSTRAINT leases_pkey PRIMARY KEY (name);
GRANT INSERT, SELECT, UPDATE ON identity.leases TO user_service;

CREATE TABLE identity.mail_outbox (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  reset_token bytea,
  email_change bytea,
  template text NOT NULL,
  locale text NOT NULL,
  wrapped_mail bytea,
  status text DEFAULT 'waiting'::text NOT NULL,
  attempts integer DEFAULT 0 NOT NULL,
  claim uuid,
  created timestamp with time zone DEFAULT now() NOT NULL,
  next_attempt timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE identity.mail_outbox ADD CONSTRAINT mail_outbox_check CHECK (((status = 'waiting'::text) = (wrapped_mail IS NOT NULL)));
ALTER TABLE identity.mail_outbox ADD CONSTRAINT mail_outbox_email_change_fkey FOREIGN KEY (email_change) REFERENCES identity.email_changes(token_hash) ON DELETE CASCADE;
ALTER TABLE identity.mail_outbox ADD CONSTRAINT mail_outbox_pkey PRIMARY KEY (id);
ALTER TABLE identity.mail_outbox ADD CONSTRAINT mail_outbox_reset_token_fkey FOREIGN KEY (reset_token) REFERENCES identity.reset_tokens(token_hash) ON DELETE CASCADE;
ALTER TABLE identity.mail_outbox ADD CONSTRAINT mail_outbox_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'dead'::text])));
ALTER TABLE identity.mail_outbox ADD CONSTRAINT mail_outbox_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
CREATE INDEX mail_outbox_due ON identity.mail_outbox USING btree (next_attempt) WHERE (status = 'waiting'::text);
CREATE INDEX mail_outbox_email_change ON identity.mail_outbox USING btree (email_change) WHERE (email_change IS NOT NULL);
CREATE INDEX mail_outbox_reset_token ON identity.mail_outbox USING btree (reset_token) WHERE (reset_token IS NOT NULL);
CREATE INDEX mail_outbox_user ON identity.mail_outbox USING btree (user_id);
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.mail_outbox TO user_service;

CREATE TABLE identity.outbox (
  "position" bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  event_id uuid NOT NULL,
  lane smallint NOT NULL,
  seq bigint,
  head text NOT NULL,
  tail text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  sent_at timestamp with time zone
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE identity.outbox ADD CONSTRAINT outbox_event_id_key UNIQUE (event_id);
ALTER TABLE identity.outbox ADD CONSTRAINT outbox_pkey PRIMARY KEY ("position");
CREATE UNIQUE INDEX outbox_claimed ON identity.outbox USING btree (lane, seq) WHERE (seq IS NOT NULL);
CREATE INDEX outbox_unclaimed ON identity.outbox USING btree ("position") WHERE (seq IS NULL);
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.outbox TO user_service;

CREATE TABLE identity.outbox_lanes (
  lane smallint NOT NULL,
  last_seq bigint DEFAULT 0 NOT NULL
);
ALTER TABLE identity.outbox_lanes ADD CONSTRAINT outbox_lanes_pkey PRIMARY KEY (lane);
GRANT SELECT, UPDATE ON identity.outbox_lanes TO user_service;

CREATE TABLE identity.recovery_requests (
  id uuid NOT NULL,
  wrapped_request bytea NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  next_attempt timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE identity.recovery_requests ADD CONSTRAINT recovery_requests_pkey PRIMARY KEY (id);
CREATE INDEX recovery_requests_due ON identity.recovery_requests USING btree (next_attempt);
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.recovery_requests TO user_service;

CREATE TABLE identity.refresh_tokens (
  token_hash bytea NOT NULL,
  session_id uuid NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  spent_at timestamp with time zone,
  sealed_child bytea,
  child_hash bytea
);
ALTER TABLE identity.refresh_tokens ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash);
ALTER TABLE identity.refresh_tokens ADD CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES identity.sessions(id) ON DELETE CASCADE;
CREATE INDEX refresh_tokens_expiry ON identity.refresh_tokens USING btree (expires_at);
CREATE INDEX refresh_tokens_sealed ON identity.refresh_tokens USING btree (spent_at) WHERE (sealed_child IS NOT NULL);
CREATE INDEX refresh_tokens_session ON identity.refresh_tokens USING btree (session_id);
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.refresh_tokens TO user_service;

CREATE TABLE identity.reset_tokens (
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  created timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone NOT NULL
);
ALTER TABLE identity.reset_tokens ADD CONSTRAINT reset_tokens_token_hash_key UNIQUE (token_hash);
ALTER TABLE identity.reset_tokens ADD CONSTRAINT reset_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
CREATE INDEX reset_tokens_user ON identity.reset_tokens USING btree (user_id);
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.reset_tokens TO user_service;

CREATE TABLE identity.revocations (
  kind text NOT NULL,
  id text NOT NULL,
  revoked_at timestamp with time zone NOT NULL,
  counts_until timestamp with time zone NOT NULL,
  announced_in xid8 NOT NULL
);
ALTER TABLE identity.revocations ADD CONSTRAINT revocations_kind_check CHECK ((kind = ANY (ARRAY['session'::text, 'user'::text, 'key'::text, 'api_token'::text])));
ALTER TABLE identity.revocations ADD CONSTRAINT revocations_pkey PRIMARY KEY (kind, id);
CREATE INDEX revocations_announced_in ON identity.revocations USING btree (announced_in);
GRANT DELETE, SELECT ON identity.revocations TO user_service;

CREATE TABLE identity.sessions (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  ip text,
  user_agent text,
  created timestamp with time zone DEFAULT now() NOT NULL,
  last_seen timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  revoked_at timestamp with time zone,
  revoked_reason text,
  idle_timeout interval DEFAULT '14 days'::interval NOT NULL
) WITH (fillfactor=80);
ALTER TABLE identity.sessions ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
ALTER TABLE identity.sessions ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
CREATE INDEX sessions_created ON identity.sessions USING brin (created);
CREATE INDEX sessions_expiry ON identity.sessions USING btree (expires_at);
CREATE INDEX sessions_revoked ON identity.sessions USING btree (revoked_at) WHERE (revoked_at IS NOT NULL);
CREATE INDEX sessions_user ON identity.sessions USING btree (user_id);
CREATE TRIGGER sessions_announce_deletion AFTER DELETE ON identity.sessions FOR EACH ROW WHEN (((old.revoked_at IS NULL) AND (old.expires_at > now()))) EXECUTE FUNCTION identity.announce_session_end();
CREATE TRIGGER sessions_announce_end AFTER UPDATE OF revoked_at, expires_at, user_id ON identity.sessions FOR EACH ROW WHEN (((old.revoked_at IS NULL) AND ((new.revoked_at IS NOT NULL) OR (new.expires_at <= now()) OR (new.user_id <> old.user_id)))) EXECUTE FUNCTION identity.announce_session_end();
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.sessions TO user_service;

CREATE TABLE identity.signer_keys (
  id text NOT NULL,
  wrapped_key bytea NOT NULL,
  imported timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE identity.signer_keys ADD CONSTRAINT signer_keys_pkey PRIMARY KEY (id);
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.signer_keys TO user_service;

CREATE TABLE identity.signing_keys (
  kid text NOT NULL,
  algorithm text NOT NULL,
  public_jwk jsonb NOT NULL,
  wrapped_private bytea,
  status text DEFAULT 'active'::text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  retires_at timestamp with time zone,
  activated_at timestamp with time zone
);
ALTER TABLE identity.signing_keys ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (kid);
ALTER TABLE identity.signing_keys ADD CONSTRAINT signing_keys_private CHECK (((status <> ALL (ARRAY['next'::text, 'active'::text])) OR (wrapped_private IS NOT NULL)));
ALTER TABLE identity.signing_keys ADD CONSTRAINT signing_keys_status_check CHECK ((status = ANY (ARRAY['next'::text, 'active'::text, 'retired'::text, 'compromised'::text])));
CREATE UNIQUE INDEX signing_keys_active ON identity.signing_keys USING btree (status) WHERE (status = 'active'::text);
CREATE UNIQUE INDEX signing_keys_next ON identity.signing_keys USING btree (status) WHERE (status = 'next'::text);
CREATE TRIGGER signing_keys_announce_deletion AFTER DELETE ON identity.signing_keys FOR EACH ROW EXECUTE FUNCTION identity.announce_key_end();
CREATE TRIGGER signing_keys_announce_end AFTER UPDATE OF status ON identity.signing_keys FOR EACH ROW WHEN (((new.status = 'compromised'::text) AND (old.status <> 'compromised'::text))) EXECUTE FUNCTION identity.announce_key_end();
GRANT INSERT, SELECT, UPDATE ON identity.signing_keys TO user_service;

CREATE TABLE identity.status_changes (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  user_id uuid NOT NULL,
  previous text NOT NULL,
  status text NOT NULL,
  sessions_ended integer NOT NULL,
  api_tokens_revoked integer NOT NULL,
  changed_in xid8 DEFAULT pg_current_xact_id() NOT NULL,
  changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE identity.status_changes ADD CONSTRAINT status_changes_pkey PRIMARY KEY (id);
CREATE INDEX status_changes_user ON identity.status_changes USING btree (user_id);
GRANT DELETE, SELECT ON identity.status_changes TO user_service;

CREATE TABLE identity.token_metadata_keys (
  key text NOT NULL
);
ALTER TABLE identity.token_metadata_keys ADD CONSTRAINT token_metadata_keys_pkey PRIMARY KEY (key);
GRANT DELETE, INSERT, SELECT ON identity.token_metadata_keys TO user_service;

CREATE TABLE identity.user_metadata_terms (
  user_id uuid NOT NULL,
  term bytea NOT NULL,
  user_created timestamp with time zone NOT NULL
);
ALTER TABLE identity.user_metadata_terms ADD CONSTRAINT user_metadata_terms_pkey PRIMARY KEY (user_id, term);
ALTER TABLE identity.user_metadata_terms ADD CONSTRAINT user_metadata_terms_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
CREATE INDEX user_metadata_terms_term ON identity.user_metadata_terms USING btree (term, user_created, user_id);
GRANT SELECT ON identity.user_metadata_terms TO user_service;

CREATE TABLE identity.user_terms (
  user_id uuid NOT NULL,
  term text NOT NULL
);
ALTER TABLE identity.user_terms ADD CONSTRAINT user_terms_pkey PRIMARY KEY (user_id, term);
ALTER TABLE identity.user_terms ADD CONSTRAINT user_terms_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
CREATE INDEX user_terms_term ON identity.user_terms USING btree (term, user_id);
GRANT SELECT ON identity.user_terms TO user_service;

CREATE TABLE identity.users (
  id uuid NOT NULL,
  type text DEFAULT 'customer'::text NOT NULL,
  status text DEFAULT 'active'::text NOT NULL,
  is_verified boolean DEFAULT false NOT NULL,
  name text,
  first_name text,
  last_name text,
  email text NOT NULL,
  email_key text NOT NULL,
  password_hash text,
  created timestamp with time zone DEFAULT now() NOT NULL,
  updated timestamp with time zone DEFAULT now() NOT NULL,
  service boolean DEFAULT false NOT NULL,
  password_epoch integer DEFAULT 0 NOT NULL,
  aws_cognito_id text,
  external_id text,
  phone text,
  phone_valid boolean,
  post_code text,
  country text,
  city text,
  verified_at timestamp with time zone,
  email_verified_at timestamp with time zone,
  phone_verified_at timestamp with time zone,
  is_profile_updated boolean DEFAULT false NOT NULL,
  is_profile_reverified boolean DEFAULT false NOT NULL,
  profile_reverified_at timestamp with time zone,
  created_by uuid,
  updated_by uuid,
  last_active_on date,
  foreign_hash text,
  country_code text,
  user_metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
  app_metadata jsonb DEFAULT '{}'::jsonb NOT NULL
);
ALTER TABLE identity.users ADD CONSTRAINT users_country_code_form CHECK (((country_code IS NULL) OR ((country_code ~ '^[A-Z]{2}$'::text) AND (country IS NOT NULL)))) NOT VALID;
ALTER TABLE identity.users ADD CONSTRAINT users_email_key UNIQUE (email_key);
ALTER TABLE identity.users ADD CONSTRAINT users_metadata_form CHECK (((jsonb_typeof(user_metadata) = 'object'::text) AND (jsonb_typeof(app_metadata) = 'object'::text))) NOT VALID;
ALTER TABLE identity.users ADD CONSTRAINT users_phone_form CHECK ((((phone ~ '^\+[1-9][0-9]{1,17}$'::text) AND (phone_valid IS NOT NULL)) OR (phone IS NULL)));
ALTER TABLE identity.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE identity.users ADD CONSTRAINT users_service_has_no_password CHECK (((NOT service) OR (password_hash IS NULL)));
ALTER TABLE identity.users ADD CONSTRAINT users_status_check CHECK ((status = ANY (ARRAY['active'::text, 'inactive'::text, 'suspended'::text, 'pending'::text])));
ALTER TABLE identity.users ADD CONSTRAINT users_type_check CHECK ((type = ANY (ARRAY['customer'::text, 'vendor'::text, 'admin'::text, 'auditor'::text]))) NOT VALID;
CREATE UNIQUE INDEX users_aws_cognito_id ON identity.users USING btree (aws_cognito_id);
CREATE INDEX users_by_country_code ON identity.users USING btree (country_code, created, id) WHERE ((NOT service) AND (country_code IS NOT NULL));
CREATE INDEX users_by_created ON identity.users USING btree (created, id) WHERE (NOT service);
CREATE INDEX users_by_last_active ON identity.users USING btree (COALESCE(last_active_on, '-infinity'::date), id) WHERE (NOT service);
CREATE INDEX users_by_status ON identity.users USING btree (status, created, id) WHERE (NOT service);
CREATE INDEX users_by_type ON identity.users USING btree (type, created, id) WHERE (NOT service);
CREATE INDEX users_created ON identity.users USING brin (created);
CREATE UNIQUE INDEX users_external_id ON identity.users USING btree (external_id);
CREATE INDEX users_phone ON identity.users USING btree (phone) WHERE (phone IS NOT NULL);
CREATE INDEX users_service ON identity.users USING btree (id) WHERE service;
CREATE INDEX users_updated ON identity.users USING brin (updated);
CREATE UNIQUE INDEX users_verified_phone ON identity.users USING btree (phone) WHERE (phone_verified_at IS NOT NULL);
CREATE TRIGGER administrator_deleted AFTER DELETE ON identity.users FOR EACH ROW WHEN (((old.type = 'admin'::text) AND (old.status = 'active'::text) AND (NOT old.service))) EXECUTE FUNCTION identity.require_administrator();
CREATE TRIGGER administrator_updated AFTER UPDATE OF type, status, service ON identity.users FOR EACH ROW WHEN (((old.type = 'admin'::text) AND (old.status = 'active'::text) AND (NOT old.service) AND ((new.type <> 'admin'::text) OR (new.status <> 'active'::text) OR new.service))) EXECUTE FUNCTION identity.require_administrator();
CREATE TRIGGER users_announce_change AFTER UPDATE OF type, status, password_hash ON identity.users FOR EACH ROW WHEN (((old.type <> new.type) OR (old.status <> new.status) OR (old.password_hash IS DISTINCT FROM new.password_hash))) EXECUTE FUNCTION identity.announce_user_change();
CREATE TRIGGER users_announce_deletion AFTER DELETE ON identity.users FOR EACH ROW EXECUTE FUNCTION identity.announce_user_change();
CREATE TRIGGER users_announce_token_metadata AFTER UPDATE OF app_metadata ON identity.users FOR EACH ROW WHEN ((old.app_metadata <> new.app_metadata)) EXECUTE FUNCTION identity.announce_token_metadata();
CREATE TRIGGER users_derive_verification BEFORE INSERT OR UPDATE OF is_verified, email_verified_at, phone_verified_at ON identity.users FOR EACH ROW EXECUTE FUNCTION identity.derive_verification();
CREATE TRIGGER users_end_access AFTER UPDATE OF status ON identity.users FOR EACH ROW WHEN ((old.status <> new.status)) EXECUTE FUNCTION identity.end_access_of_user();
CREATE TRIGGER users_index_changed_metadata AFTER UPDATE OF user_metadata, app_metadata ON identity.users FOR EACH ROW WHEN (((old.user_metadata <> new.user_metadata) OR (old.app_metadata <> new.app_metadata))) EXECUTE FUNCTION identity.index_user_metadata();
CREATE TRIGGER users_index_changed_terms AFTER UPDATE OF name, first_name, last_name, email, email_key, phone ON identity.users FOR EACH ROW WHEN (((NOT new.service) AND ((((((old.name IS DISTINCT FROM new.name) OR (old.first_name IS DISTINCT FROM new.first_name)) OR (old.last_name IS DISTINCT FROM new.last_name)) OR (old.email IS DISTINCT FROM new.email)) OR (old.email_key IS DISTINCT FROM new.email_key)) OR (old.phone IS DISTINCT FROM new.phone)))) EXECUTE FUNCTION identity.index_user_terms();
CREATE TRIGGER users_index_metadata AFTER INSERT ON identity.users FOR EACH ROW WHEN (((new.user_metadata <> '{}'::jsonb) OR (new.app_metadata <> '{}'::jsonb))) EXECUTE FUNCTION identity.index_user_metadata();
CREATE TRIGGER users_index_terms AFTER INSERT ON identity.users FOR EACH ROW WHEN ((NOT new.service)) EXECUTE FUNCTION identity.index_user_terms();
CREATE TRIGGER users_relist_vendor_profile AFTER UPDATE OF type, status ON identity.users FOR EACH ROW WHEN (((old.type <> new.type) OR (old.status <> new.status))) EXECUTE FUNCTION identity.relist_vendor_profile();
CREATE TRIGGER users_void_foreign_hash BEFORE UPDATE OF password_hash ON identity.users FOR EACH ROW WHEN ((old.foreign_hash IS NOT NULL)) EXECUTE FUNCTION identity.void_foreign_hash();
GRANT DELETE, INSERT, SELECT, UPDATE ON identity.users TO user_service;

CREATE TABLE identity.vendor_profile_terms (
  profile_id uuid NOT NULL,
  term text NOT NULL
);
ALTER TABLE identity.vendor_profile_terms ADD CONSTRAINT vendor_profile_terms_pkey PRIMARY KEY (profile_id, term);
ALTER TABLE identity.vendor_profile_terms ADD CONSTRAINT vendor_profile_terms_profile_id_fkey FOREIGN KEY (profile_id) REFERENCES identity.vendor_profiles(id) ON DELETE CASCADE;
CREATE INDEX vendor_profile_terms_term ON identity.vendor_profile_terms USING btree (term, profile_id);
GRANT SELECT ON identity.vendor_profile_terms TO user_service;

CREATE TABLE identity.vendor_profiles (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  business_type text NOT NULL,
  business_type_key text GENERATED ALWAYS AS (identity.business_type_key(business_type)) STORED NOT NULL,
  business_name text NOT NULL,
  company_name text,
  contact_person text,
  designation text,
  country text,
  country_code text,
  city text,
  website text,
  business_registration_certificate uuid,
  gst_number text,
  address text,
  company_details text,
  whatsapp_number text,
  logo uuid,
  working_days text[] DEFAULT '{}'::text[] NOT NULL,
  employee_count integer,
  payment_mode text[] DEFAULT '{}'::text[] NOT NULL,
  establishment integer,
  is_listed boolean NOT NULL,
  created_by uuid,
  updated_by uuid,
  created timestamp with time zone DEFAULT now() NOT NULL,
  updated timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_check CHECK (((country IS NULL) = (country_code IS NULL)));
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_country_code_check CHECK ((country_code ~ '^[A-Z]{2}$'::text));
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_employee_count_check CHECK ((employee_count >= 0));
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_establishment_check CHECK ((establishment >= 1600));
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_pkey PRIMARY KEY (id);
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_user_id_fkey FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_user_id_key UNIQUE (user_id);
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_website_check CHECK ((website ~* '^https?://'::text));
ALTER TABLE identity.vendor_profiles ADD CONSTRAINT vendor_profiles_whatsapp_number_check CHECK ((whatsapp_number ~ '^\+[1-9][0-9]{1,14}$'::text));
CREATE INDEX vendor_profiles_by_country ON identity.vendor_profiles USING btree (country_code, id) WHERE (country_code IS NOT NULL);
CREATE INDEX vendor_profiles_by_type ON identity.vendor_profiles USING btree (business_type_key, id);
CREATE INDEX vendor_profiles_listed ON identity.vendor_profiles USING btree (id) WHERE is_listed;
CREATE INDEX vendor_profiles_listed_by_country ON identity.vendor_profiles USING btree (country_code, id) WHERE (is_listed AND (country_code IS NOT NULL));
CREATE INDEX vendor_profiles_listed_by_type ON identity.vendor_profiles USING btree (business_type_key, id) WHERE is_listed;
CREATE TRIGGER vendor_profiles_index_terms AFTER INSERT OR UPDATE OF business_name, company_name, business_type, city, country, website, company_details ON identity.vendor_profiles FOR EACH ROW EXECUTE FUNCTION identity.index_vendor_profile_terms();
CREATE TRIGGER vendor_profiles_list BEFORE INSERT ON identity.vendor_profiles FOR EACH ROW EXECUTE FUNCTION identity.list_vendor_profile();
CREATE TRIGGER vendor_profiles_release_files AFTER DELETE OR UPDATE OF logo, business_registration_certificate ON identity.vendor_profiles FOR EACH ROW EXECUTE FUNCTION identity.release_profile_files();
GRANT DELETE, SELECT ON identity.vendor_profiles TO user_service;
GRANT INSERT (id, user_id, business_type, business_name, company_name, contact_person, designation, country, country_code, city, website, business_registration_certificate, gst_number, address, company_details, whatsapp_number, logo, working_days, employee_count, payment_mode, establishment, created_by, updated_by) ON identity.vendor_profiles TO user_service;
GRANT UPDATE (business_type, business_name, company_name, contact_person, designation, country, country_code, city, website, business_registration_certificate, gst_number, address, company_details, whatsapp_number, logo, working_days, employee_count, payment_mode, establishment, updated_by, updated) ON identity.vendor_profiles TO user_service;

CREATE VIEW identity.token_metadata AS
 SELECT id AS user_id,
    ( SELECT
                CASE
                    WHEN (octet_length((named.part)::text) <= 512) THEN named.part
                    ELSE NULL::jsonb
                END AS "case"
           FROM ( SELECT jsonb_object_agg(k.key, (u.app_metadata -> k.key)) AS part
                   FROM identity.token_metadata_keys k
                  WHERE (u.app_metadata ? k.key)) named) AS app_metadata
   FROM identity.users u;
GRANT SELECT ON identity.token_metadata TO user_service;

CREATE TABLE keys.erased_subjects (
  subject text NOT NULL,
  erased_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE keys.erased_subjects ADD CONSTRAINT erased_subjects_pkey PRIMARY KEY (subject);
CREATE INDEX erased_subjects_erased_at ON keys.erased_subjects USING btree (erased_at);

CREATE TABLE keys.search_key (
  id boolean DEFAULT true NOT NULL,
  wrapped bytea NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE keys.search_key ADD CONSTRAINT search_key_id_check CHECK (id);
ALTER TABLE keys.search_key ADD CONSTRAINT search_key_pkey PRIMARY KEY (id);

CREATE TABLE keys.subject_keys (
  key_id uuid NOT NULL,
  subject text NOT NULL,
  wrapped bytea NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  superseded_at timestamp with time zone
);
ALTER TABLE keys.subject_keys ADD CONSTRAINT subject_keys_pkey PRIMARY KEY (key_id);
CREATE INDEX subject_keys_age ON keys.subject_keys USING btree (created_at) WHERE (superseded_at IS NULL);
CREATE UNIQUE INDEX subject_keys_current ON keys.subject_keys USING btree (subject) WHERE (superseded_at IS NULL);
CREATE INDEX subject_keys_day ON keys.subject_keys USING btree (subject COLLATE "C") WHERE (subject ~~ 'day:%'::text);
CREATE INDEX subject_keys_subject ON keys.subject_keys USING btree (subject);

CREATE TABLE shared.erasures (
  user_id uuid NOT NULL,
  requested_at timestamp with time zone DEFAULT now() NOT NULL,
  identity_done boolean DEFAULT false NOT NULL,
  files_done boolean DEFAULT false NOT NULL,
  audit_done boolean DEFAULT false NOT NULL
);
ALTER TABLE shared.erasures ADD CONSTRAINT erasures_pkey PRIMARY KEY (user_id);
CREATE INDEX erasures_requested_at ON shared.erasures USING btree (requested_at);
CREATE INDEX erasures_without_audit_done ON shared.erasures USING btree (user_id) WHERE (NOT audit_done);
CREATE INDEX erasures_without_files_done ON shared.erasures USING btree (user_id) WHERE (NOT files_done);
CREATE INDEX erasures_without_identity_done ON shared.erasures USING btree (user_id) WHERE (NOT identity_done);
GRANT SELECT ON shared.erasures TO audit_service;
GRANT SELECT ON shared.erasures TO file_service;
GRANT SELECT ON shared.erasures TO user_service;
GRANT UPDATE (audit_done) ON shared.erasures TO audit_service;
GRANT UPDATE (files_done) ON shared.erasures TO file_service;
GRANT INSERT (user_id, identity_done) ON shared.erasures TO user_service;
GRANT UPDATE (identity_done) ON shared.erasures TO user_service;

CREATE TABLE shared.limit_secret (
  id boolean DEFAULT true NOT NULL,
  wrapped bytea NOT NULL
);
ALTER TABLE shared.limit_secret ADD CONSTRAINT limit_secret_id_check CHECK (id);
ALTER TABLE shared.limit_secret ADD CONSTRAINT limit_secret_pkey PRIMARY KEY (id);
GRANT INSERT, SELECT ON shared.limit_secret TO audit_service;
GRANT INSERT, SELECT ON shared.limit_secret TO file_service;
GRANT INSERT, SELECT ON shared.limit_secret TO user_service;

CREATE TABLE shared.limits (
  key bytea NOT NULL,
  tat timestamp with time zone NOT NULL,
  told_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
) WITH (fillfactor=50);
ALTER TABLE shared.limits ADD CONSTRAINT limits_key_check CHECK ((octet_length(key) = 16));
ALTER TABLE shared.limits ADD CONSTRAINT limits_pkey PRIMARY KEY (key);

CREATE VIEW shared.acts AS
 SELECT events.id,
    events.action,
    events.resource,
    events.user_id,
        CASE
            WHEN (events.action = ANY (ARRAY['SIGNUP_SUCCESS'::text, 'LOGIN_SUCCESS'::text])) THEN (events.session_id)::text
            WHEN (events.action = 'PASSWORD_CHANGED'::text) THEN ((events.record)::jsonb #>> '{metadata,new_session_id}'::text[])
            WHEN ((events.action = ANY (ARRAY['USER_CREATED'::text, 'USER_UPDATED'::text])) AND (((events.record)::jsonb #>> '{metadata,by}'::text[]) = 'operator'::text)) THEN (events.session_id)::text
            ELSE NULL::text
        END AS opened_session,
    false AS pending
   FROM audit.events
  WHERE (events.outcome = 'success'::text)
UNION ALL
 SELECT ((waiting.record ->> 'id'::text))::uuid AS id,
    waiting.action,
    (waiting.record ->> 'resource'::text) AS resource,
    ((waiting.record ->> 'user_id'::text))::uuid AS user_id,
        CASE
            WHEN (waiting.action = ANY (ARRAY['SIGNUP_SUCCESS'::text, 'LOGIN_SUCCESS'::text])) THEN (waiting.record ->> 'session_id'::text)
            WHEN (waiting.action = 'PASSWORD_CHANGED'::text) THEN (waiting.record #>> '{metadata,new_session_id}'::text[])
            WHEN ((waiting.action = ANY (ARRAY['USER_CREATED'::text, 'USER_UPDATED'::text])) AND ((waiting.record #>> '{metadata,by}'::text[]) = 'operator'::text)) THEN (waiting.record ->> 'session_id'::text)
            ELSE NULL::text
        END AS opened_session,
    true AS pending
   FROM ( SELECT written.record,
            (written.record ->> 'action'::text) AS action
           FROM ( SELECT (((outbox.head || ','::text) || outbox.tail))::jsonb AS record
                   FROM identity.outbox
                UNION ALL
                 SELECT (((outbox.head || ','::text) || outbox.tail))::jsonb AS record
                   FROM files.outbox
                UNION ALL
                 SELECT (((outbox.head || ','::text) || outbox.tail))::jsonb AS record
                   FROM audit.outbox
                UNION ALL
                 SELECT (((outbox.head || ','::text) || outbox.tail))::jsonb AS record
                   FROM app.outbox) written
          WHERE ((written.record ->> 'outcome'::text) = 'success'::text)) waiting;
GRANT SELECT ON shared.acts TO audit_reconciler;

CREATE VIEW shared.assigned_sequences AS
 SELECT 'user'::text AS source,
    outbox_lanes.lane,
    outbox_lanes.last_seq
   FROM identity.outbox_lanes
UNION ALL
 SELECT 'file'::text AS source,
    outbox_lanes.lane,
    outbox_lanes.last_seq
   FROM files.outbox_lanes
UNION ALL
 SELECT 'audit'::text AS source,
    outbox_lanes.lane,
    outbox_lanes.last_seq
   FROM audit.outbox_lanes
UNION ALL
 SELECT 'app'::text AS source,
    outbox_lanes.lane,
    outbox_lanes.last_seq
   FROM app.outbox_lanes;
GRANT SELECT ON shared.assigned_sequences TO audit_service;

CREATE VIEW shared.file_rows AS
 SELECT id,
    user_id,
    created,
    updated,
    (status <> 'ready'::text) AS deleted
   FROM files.files
  WHERE (status <> 'pending'::text);
GRANT SELECT ON shared.file_rows TO audit_reconciler;

CREATE VIEW shared.live_sessions WITH (security_barrier=true) AS
 SELECT s.id AS session_id,
    u.id AS user_id,
    u.type AS role,
    u.status,
    ( SELECT
                CASE
                    WHEN (octet_length((named.part)::text) <= 512) THEN named.part
                    ELSE NULL::jsonb
                END AS "case"
           FROM ( SELECT jsonb_object_agg(k.key, (u.app_metadata -> k.key)) AS part
                   FROM identity.token_metadata_keys k
                  WHERE (u.app_metadata ? k.key)) named) AS app_metadata
   FROM (identity.sessions s
     JOIN identity.users u ON ((u.id = s.user_id)))
  WHERE ((s.revoked_at IS NULL) AND (s.expires_at > clock_timestamp()) AND ((s.last_seen + s.idle_timeout) > clock_timestamp()) AND (u.status = 'active'::text));
GRANT SELECT ON shared.live_sessions TO audit_service;
GRANT SELECT ON shared.live_sessions TO file_service;
GRANT SELECT ON shared.live_sessions TO user_service;

CREATE VIEW shared.oldest_event AS
 SELECT id
   FROM audit.events
  ORDER BY id
 LIMIT 1;
GRANT SELECT ON shared.oldest_event TO audit_reconciler;

CREATE VIEW shared.outbox_backlogs AS
 SELECT 'user'::text AS source,
    ( SELECT count(*) AS count
           FROM ( SELECT
                   FROM identity.outbox
                 LIMIT 100001) counted) AS rows,
    ( SELECT outbox.created_at
           FROM identity.outbox
          ORDER BY outbox."position"
         LIMIT 1) AS oldest_at
UNION ALL
 SELECT 'file'::text AS source,
    ( SELECT count(*) AS count
           FROM ( SELECT
                   FROM files.outbox
                 LIMIT 100001) counted) AS rows,
    ( SELECT outbox.created_at
           FROM files.outbox
          ORDER BY outbox."position"
         LIMIT 1) AS oldest_at
UNION ALL
 SELECT 'audit'::text AS source,
    ( SELECT count(*) AS count
           FROM ( SELECT
                   FROM audit.outbox
                 LIMIT 100001) counted) AS rows,
    ( SELECT outbox.created_at
           FROM audit.outbox
          ORDER BY outbox."position"
         LIMIT 1) AS oldest_at
UNION ALL
 SELECT 'app'::text AS source,
    ( SELECT count(*) AS count
           FROM ( SELECT
                   FROM app.outbox
                 LIMIT 100001) counted) AS rows,
    ( SELECT outbox.created_at
           FROM app.outbox
          ORDER BY outbox."position"
         LIMIT 1) AS oldest_at;
GRANT SELECT ON shared.outbox_backlogs TO audit_service;

CREATE VIEW shared.outbox_records AS
 SELECT 'user'::text AS source,
    outbox.lane,
    outbox.seq,
    outbox.event_id,
    sha256(convert_to(((((outbox.head || ',"seq":'::text) || outbox.seq) || ','::text) || outbox.tail), 'UTF8'::name)) AS digest
   FROM identity.outbox
  WHERE (outbox.seq IS NOT NULL)
UNION ALL
 SELECT 'file'::text AS source,
    outbox.lane,
    outbox.seq,
    outbox.event_id,
    sha256(convert_to(((((outbox.head || ',"seq":'::text) || outbox.seq) || ','::text) || outbox.tail), 'UTF8'::name)) AS digest
   FROM files.outbox
  WHERE (outbox.seq IS NOT NULL)
UNION ALL
 SELECT 'audit'::text AS source,
    outbox.lane,
    outbox.seq,
    outbox.event_id,
    sha256(convert_to(((((outbox.head || ',"seq":'::text) || outbox.seq) || ','::text) || outbox.tail), 'UTF8'::name)) AS digest
   FROM audit.outbox
  WHERE (outbox.seq IS NOT NULL)
UNION ALL
 SELECT 'app'::text AS source,
    outbox.lane,
    outbox.seq,
    outbox.event_id,
    sha256(convert_to(((((outbox.head || ',"seq":'::text) || outbox.seq) || ','::text) || outbox.tail), 'UTF8'::name)) AS digest
   FROM app.outbox
  WHERE (outbox.seq IS NOT NULL);
GRANT SELECT ON shared.outbox_records TO audit_service;

CREATE VIEW shared.public_keys WITH (security_barrier=true) AS
 SELECT kid,
    algorithm,
    public_jwk,
    status
   FROM identity.signing_keys
  WHERE ((status <> 'retired'::text) OR (retires_at IS NULL) OR (retires_at > now()));
GRANT SELECT ON shared.public_keys TO audit_service;
GRANT SELECT ON shared.public_keys TO file_service;
GRANT SELECT ON shared.public_keys TO user_service;

CREATE VIEW shared.revocations AS
 SELECT kind,
    id,
    counts_until,
    announced_in
   FROM identity.revocations
  WHERE (counts_until > now());
GRANT SELECT ON shared.revocations TO audit_service;
GRANT SELECT ON shared.revocations TO file_service;
GRANT SELECT ON shared.revocations TO user_service;

CREATE VIEW shared.session_rows AS
 SELECT id,
    user_id,
    created
   FROM identity.sessions;
GRANT SELECT ON shared.session_rows TO audit_reconciler;

CREATE VIEW shared.stored_watermarks WITH (security_barrier=true) AS
 SELECT source,
    lane,
    watermark
   FROM audit.lanes;
GRANT SELECT ON shared.stored_watermarks TO audit_service;
GRANT SELECT ON shared.stored_watermarks TO file_service;
GRANT SELECT ON shared.stored_watermarks TO user_service;

CREATE VIEW shared.user_rows AS
 SELECT id,
    created,
    updated
   FROM identity.users;
GRANT SELECT ON shared.user_rows TO audit_reconciler;

CREATE VIEW shared.user_status WITH (security_barrier=true) AS
 SELECT id AS user_id,
    type AS role,
    status
   FROM identity.users;
GRANT SELECT ON shared.user_status TO audit_service;
GRANT SELECT ON shared.user_status TO file_service;
GRANT SELECT ON shared.user_status TO user_service;

CREATE VIEW shared.vendor_profile_files AS
 SELECT id AS profile_id,
    user_id,
    logo,
    business_registration_certificate AS certificate,
    is_listed
   FROM identity.vendor_profiles;
GRANT SELECT ON shared.vendor_profile_files TO file_service;

CREATE OR REPLACE FUNCTION audit.add_search_terms(terms bytea[], event_ids uuid[], subjects text[])
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare added integer;
    begin
      perform pg_advisory_xact_lock_shared(7305150);
      insert into audit.search_terms (term, event_id, subject)
      select t.term, t.event_id, t.subject from unnest(terms, event_ids, subjects) as t(term, event_id, subject)
      where t.subject not in (select e.subject from keys.erased_subjects e where e.subject = any(subjects))
      order by t.term, t.event_id
      on conflict do nothing;
      get diagnostics added = row_count;
      return added;
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.add_search_terms(bytea[],uuid[],text[]) TO audit_service;

CREATE OR REPLACE FUNCTION audit.begin_restore(month text, holder text, epoch bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform audit.require_retention_lease(holder, epoch);
      perform from audit.archives a where a.month = begin_restore.month and a.dropped_at is not null;
      if not found then raise exception 'there is no archive of %', month using errcode = 'MU003'; end if;
      if to_regclass(format('audit.%I', 'events_' || month)) is not null then
        raise exception 'the partition of % is there', month using errcode = 'MU003';
      end if;
      execute format('drop table if exists audit.%I', 'restore_' || month);
      execute format('create table audit.%I (index bigint primary key, record text not null, key_id uuid, nonce text, ciphertext text)', 'restore_' || month);
      execute format('grant insert on audit.%I to audit_retention', 'restore_' || month);
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.begin_restore(text,text,bigint) TO audit_retention;

CREATE OR REPLACE FUNCTION audit.default_partition_rows()
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select count(*) from (select from audit.events_default limit 100000) counted
    $function$
;
GRANT EXECUTE ON FUNCTION audit.default_partition_rows() TO audit_service;

CREATE OR REPLACE FUNCTION audit.delete_search_terms(erased text)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare deleted integer;
    begin
      perform pg_advisory_xact_lock(7305150);
      delete from audit.search_terms t where t.subject = erased;
      get diagnostics deleted = row_count;
      return deleted;
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.delete_search_terms(text) TO audit_service;

CREATE OR REPLACE FUNCTION audit.drop_archived_month(month text, months integer, holder text, epoch bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '3s'
AS $function$
    declare archive audit.archives%rowtype;
            partition text := 'events_' || month;
    begin
      perform audit.require_retention_lease(holder, epoch);
      if not exists (select from audit.months_to_archive(months) m where m = drop_archived_month.month) then
        raise exception 'the partition of % is not old enough, is kept, or is not there', month using errcode = 'MU003';
      end if;
      select * into archive from audit.archives a where a.month = drop_archived_month.month for update;
      if not found then raise exception 'there is no archive of %', month using errcode = 'MU003'; end if;
      delete from audit.search_terms t
      where t.event_id >= audit.uuid_floor(audit.month_start(month)) and t.event_id < audit.uuid_floor(audit.month_start(month) + interval '1 month');
      -- No event of that month can come in between counting and dropping; readers and other months go on.
      execute format('lock table audit.%I in share mode', partition);
      perform audit.require_partition(month, archive.rows, archive.first_index, archive.last_index, archive.tree_size);
      execute format('alter table audit.events detach partition audit.%I', partition);
      execute format('drop table audit.%I', partition);
      update audit.archives a set dropped_at = clock_timestamp(), keep_until = null where a.month = drop_archived_month.month;
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.drop_archived_month(text,integer,text,bigint) TO audit_retention;

CREATE OR REPLACE FUNCTION audit.ensure_partitions(months_ahead integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
    declare month timestamptz := date_trunc('month', now() at time zone 'UTC') at time zone 'UTC';
            name text;
    begin
      perform pg_advisory_xact_lock(7305149);
      for i in 0..least(months_ahead, 24) loop
        name := 'events_' || to_char(month at time zone 'UTC', 'YYYY_MM');
        if to_regclass('audit.' || name) is null then
          -- An id from a clock that runs far ahead lies in the default partition and forbids its month a partition of its own. That month
          -- stays in the default one; the others must not go without for it.
          begin
            execute format('create table audit.%I partition of audit.events for values from (%L) to (%L)',
              name, audit.uuid_floor(month), audit.uuid_floor(month + interval '1 month'));
          exception when check_violation then
            raise warning 'partition % is not made: the default partition holds rows of that month', name;
          end;
        end if;
        month := month + interval '1 month';
      end loop;
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.ensure_partitions(integer) TO audit_service;

CREATE OR REPLACE FUNCTION audit.finish_restore(month text, keep_days integer, holder text, epoch bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '3s'
AS $function$
    declare archive audit.archives%rowtype;
            staged text := 'restore_' || month;
            partition text := 'events_' || month;
            low uuid := audit.uuid_floor(audit.month_start(month));
            high uuid := audit.uuid_floor(audit.month_start(month) + interval '1 month');
            head audit.tree%rowtype;
            wrong bigint; unreadable bigint;
            total bigint; lowest bigint; highest bigint;
    begin
      perform audit.require_retention_lease(holder, epoch);
      select * into archive from audit.archives a where a.month = finish_restore.month and a.dropped_at is not null for update;
      if not found then raise exception 'there is no archive of %', month using errcode = 'MU003'; end if;
      execute format('lock table audit.%I in access exclusive mode', staged);
      execute format('select count(*), min(index), max(index) from audit.%I', staged) into total, lowest, highest;
      if total <> archive.rows or lowest is distinct from archive.first_index or highest is distinct from archive.last_index then
        raise exception 'the archive of % has % rows with indexes % to %, these are % with % to %', month, archive.rows, archive.first_index, archive.last_index, total, lowest, highest
          using errcode = 'MU001';
      end if;
      -- Leaves lie in the full tiles of level 0, the last ones in the edge (C2SP tlog-tiles).
      select * into head from audit.tree;
      execute format(
        'select count(*) from audit.%I r
         left join audit.tiles t on t.level = 0 and t.index = r.index / 256
         left join audit.sealed s on s.index = r.index
         where s.event_id is distinct from (r.record::json ->> ''id'')::uuid or s.event_id < $3 or s.event_id >= $4
           or sha256(''\x00''::bytea || convert_to(r.record, ''UTF8''))
             <> coalesce(substr(t.hashes, (r.index %% 256)::integer * 32 + 1, 32), substr($1, (r.index - $2 / 256 * 256)::integer * 32 + 1, 32))',
        staged) into wrong using head.edge, head.size, low, high;
      if wrong > 0 then raise exception '% rows of the archive of % are not what was sealed', wrong, month using errcode = 'MU001'; end if;

      execute format('create table audit.%I (like audit.events including all)', partition);
      execute format('alter table audit.%I add constraint restored check (id >= %L and id < %L)', partition, low, high);
      -- Without its key a ciphertext is of no use to anybody, and whoever was erased is not to come back by a restore.
      execute format(
        'insert into audit.%I (id, source, lane, seq, tenant_id, action, outcome, user_id, subject, resource, resource_type, session_id, request_id, error,
           timestamp, record, personal_key_id, personal_nonce, personal_ciphertext)
         select (e ->> ''id'')::uuid, e ->> ''source'', (e ->> ''lane'')::smallint, (e ->> ''seq'')::bigint, e ->> ''tenant_id'', e ->> ''action'', e ->> ''outcome'',
           (e ->> ''user_id'')::uuid, e -> ''personal'' ->> ''subject'', e ->> ''resource'', e ->> ''resource_type'', (e ->> ''session_id'')::uuid,
           e ->> ''request_id'', e ->> ''error'', (e ->> ''timestamp'')::timestamptz, r.record,
           case when k.key_id is not null then r.key_id end, case when k.key_id is not null then r.nonce end, case when k.key_id is not null then r.ciphertext end
         from (select record::json as e, * from audit.%I) r
         left join keys.subject_keys k on k.key_id = r.key_id and not exists (select from keys.erased_subjects d where d.subject = r.e -> ''personal'' ->> ''subject'')',
        partition, staged);
      execute format('select count(*) from audit.%I p join audit.%I r on r.record = p.record where r.key_id is not null and p.personal_key_id is null', partition, staged) into unreadable;
      if exists (select from audit.events_default d where d.id >= low and d.id < high) then
        raise exception 'the default partition holds rows of %', month using errcode = 'MU003';
      end if;
      execute format('alter table audit.events attach partition audit.%I for values from (%L) to (%L)', partition, low, high);
      execute format('alter table audit.%I drop constraint restored', partition);
      execute format('drop table audit.%I', staged);
      update audit.archives a set restored_at = clock_timestamp(), keep_until = now() + make_interval(days => greatest(keep_days, 1)) where a.month = finish_restore.month;
      return unreadable;
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.finish_restore(text,integer,text,bigint) TO audit_retention;

CREATE OR REPLACE FUNCTION audit.forget_quarantined(erased uuid)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare forgotten integer;
    begin
      -- With whoever adds such a record at this moment, as with search terms.
      perform pg_advisory_xact_lock(7305150);
      update audit.quarantine q set data = '', key_id = null, mentions = '{}' where q.mentions @> array[erased];
      get diagnostics forgotten = row_count;
      return forgotten;
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.forget_quarantined(uuid) TO audit_service;

CREATE OR REPLACE FUNCTION audit.month_start(month text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE
 SET "TimeZone" TO 'UTC'
AS $function$
      select make_timestamptz(substr(month, 1, 4)::integer, substr(month, 6, 2)::integer, 1, 0, 0, 0, 'UTC')
    $function$
;
GRANT EXECUTE ON FUNCTION audit.month_start(text) TO audit_reconciler;
GRANT EXECUTE ON FUNCTION audit.month_start(text) TO audit_service;

CREATE OR REPLACE FUNCTION audit.months_to_archive(months integer)
 RETURNS SETOF text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
      select substr(c.relname, 8) as month
      from pg_inherits i join pg_class c on c.oid = i.inhrelid
      left join audit.archives a on a.month = substr(c.relname, 8)
      where i.inhparent = 'audit.events'::regclass and c.relname ~ '^events_[0-9]{4}_(0[1-9]|1[0-2])$'
        and months >= 1 and audit.month_start(substr(c.relname, 8)) + interval '1 month' <= now() - make_interval(months => months)
        and (a.keep_until is null or a.keep_until <= now())
      order by 1
    $function$
;
GRANT EXECUTE ON FUNCTION audit.months_to_archive(integer) TO audit_service;

CREATE OR REPLACE FUNCTION audit.record_archive(month text, object_key text, rows bigint, first_index bigint, last_index bigint, tree_size bigint, bytes bigint, sha256 bytea, holder text, epoch bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform audit.require_retention_lease(holder, epoch);
      perform audit.require_partition(month, rows, first_index, last_index, tree_size);
      insert into audit.archives as a (month, object_key, rows, first_index, last_index, tree_size, bytes, sha256)
      values (record_archive.month, record_archive.object_key, record_archive.rows, record_archive.first_index, record_archive.last_index,
        record_archive.tree_size, record_archive.bytes, record_archive.sha256)
      on conflict on constraint archives_pkey do update
        set object_key = excluded.object_key, rows = excluded.rows, first_index = excluded.first_index, last_index = excluded.last_index,
            tree_size = excluded.tree_size, bytes = excluded.bytes, sha256 = excluded.sha256, archived_at = excluded.archived_at;
    end $function$
;
GRANT EXECUTE ON FUNCTION audit.record_archive(text,text,bigint,bigint,bigint,bigint,bigint,bytea,text,bigint) TO audit_retention;

CREATE OR REPLACE FUNCTION audit.require_partition(month text, rows bigint, first_index bigint, last_index bigint, tree_size bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare total bigint; sealed bigint; lowest bigint; highest bigint;
    begin
      execute format('select count(*), count(s.index), min(s.index), max(s.index) from audit.%I e left join audit.sealed s on s.event_id = e.id', 'events_' || month)
        into total, sealed, lowest, highest;
      if total <> rows or sealed <> rows or lowest is distinct from first_index or highest is distinct from last_index or coalesce(highest, -1) >= tree_size then
        raise exception 'the archive of % is not what the partition holds: % rows, % of them sealed, indexes % to %', month, total, sealed, lowest, highest
          using errcode = 'MU001';
      end if;
    end $function$
;

CREATE OR REPLACE FUNCTION audit.require_retention_lease(holder text, epoch bigint)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      -- The lock lasts for the transaction: a successor waits for it.
      perform from audit.leases l
      where l.name = 'retention' and l.holder = require_retention_lease.holder and l.epoch = require_retention_lease.epoch and l.expires_at > clock_timestamp()
      for share;
      if not found then raise exception 'the retention lease is lost' using errcode = 'MU002'; end if;
    end $function$
;

CREATE OR REPLACE FUNCTION audit.uuid_floor(at timestamp with time zone)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
AS $function$
      select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
    $function$
;
GRANT EXECUTE ON FUNCTION audit.uuid_floor(timestamp with time zone) TO audit_reconciler;
GRANT EXECUTE ON FUNCTION audit.uuid_floor(timestamp with time zone) TO audit_service;

CREATE OR REPLACE FUNCTION identity.access_tokens_end()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select clock_timestamp() + interval '1 minute' + coalesce(
        (select max(l.seconds) from identity.access_token_lifetimes l where l.used_at > clock_timestamp() - interval '2 days'), 86400) * interval '1 second'
    $function$
;

CREATE OR REPLACE FUNCTION identity.announce_api_token_end()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform identity.announce_revocation('api_token', old.id::text, old.expires_at);
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.announce_key_end()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform identity.announce_revocation('key', old.kid, identity.access_tokens_end());
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.announce_revocation(of_kind text, of_id text, until timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare lasts timestamptz;
    begin
      insert into identity.revocations as r (kind, id, revoked_at, counts_until, announced_in)
      values (of_kind, of_id, clock_timestamp(), until, pg_current_xact_id())
      on conflict (kind, id) do update
        set revoked_at = excluded.revoked_at, counts_until = greatest(r.counts_until, excluded.counts_until), announced_in = excluded.announced_in
      returning r.counts_until into lasts;
      -- Delivered at the commit and not before it; with a rollback, never.
      perform pg_notify('muniment_revocations', of_kind || ' ' || of_id || ' ' || ceil(extract(epoch from lasts))::bigint);
    end $function$
;

CREATE OR REPLACE FUNCTION identity.announce_session_end()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform identity.announce_revocation('session', old.id::text, identity.access_tokens_end());
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.announce_token_metadata()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      if exists (select from identity.token_metadata_keys k
        where old.app_metadata -> k.key is distinct from new.app_metadata -> k.key) then
        perform identity.announce_revocation('user', old.id::text, identity.access_tokens_end());
      end if;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.announce_user_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform identity.announce_revocation('user', old.id::text, identity.access_tokens_end());
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.business_type_key(value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select coalesce(nullif(array_to_string(identity.fold_words(value), ' '), ''), value)
    $function$
;
GRANT EXECUTE ON FUNCTION identity.business_type_key(text) TO PUBLIC;

CREATE OR REPLACE FUNCTION identity.derive_verification()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      if new.is_verified and (tg_op = 'INSERT' or not old.is_verified)
          and new.email_verified_at is null and new.phone_verified_at is null then
        new.email_verified_at := now();
      elsif tg_op = 'UPDATE' and old.is_verified and not new.is_verified
          and new.email_verified_at is not distinct from old.email_verified_at then
        new.email_verified_at := null;
      end if;
      new.is_verified := new.email_verified_at is not null or new.phone_verified_at is not null;
      new.verified_at := case when new.is_verified
        then coalesce(new.verified_at, least(new.email_verified_at, new.phone_verified_at)) end;
      return new;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.end_access_of_user()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare
      sessions integer := 0;
      tokens integer := 0;
    begin
      if new.status <> 'active' then
        update identity.sessions s set revoked_at = now(), revoked_reason = 'account_' || new.status
        where s.user_id = new.id and s.revoked_at is null and s.expires_at > clock_timestamp()
          and s.last_seen + s.idle_timeout > clock_timestamp();
        get diagnostics sessions = row_count;
        update identity.api_tokens t set revoked_at = now()
        where t.user_id = new.id and t.revoked_at is null and t.expires_at > clock_timestamp();
        get diagnostics tokens = row_count;
      end if;
      insert into identity.status_changes (user_id, previous, status, sessions_ended, api_tokens_revoked)
      values (new.id, old.status, new.status, sessions, tokens);
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.fold_words(value text)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select coalesce(array_agg(distinct left(word, 32)) filter (where word <> ''), '{}')
      from (select regexp_replace(normalize(left(value, 500), NFKD),
        '[\u0300-\u036f''\u02bc\u2019]', '', 'g') as x) plain,
        lateral (select translate(x, 'ABCDEFGHIJKLMNOPQRSTUVWXYZÆÐØÞĐĦŁŒŦΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖ', 'abcdefghijklmnopqrstuvwxyzæðøþđħłœŧαβγδεζηθικλμνξοπρστυφχψωѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ') as x) lower,
        lateral (select translate(replace(replace(replace(replace(lower.x, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'øłđðħŧıς', 'olddhtiσ')
          as x) folded,
        lateral regexp_split_to_table(folded.x,
          '[\u0001-\u002f\u003a-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+') word
    $function$
;
GRANT EXECUTE ON FUNCTION identity.fold_words(text) TO PUBLIC;

CREATE OR REPLACE FUNCTION identity.index_user_metadata()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare terms bytea[] := array(
      select identity.metadata_terms('user', new.user_metadata)
      union select identity.metadata_terms('app', new.app_metadata));
    begin
      delete from identity.user_metadata_terms t where t.user_id = new.id and t.term <> all (terms);
      insert into identity.user_metadata_terms (user_id, term, user_created)
      select new.id, term, new.created from unnest(terms) term on conflict do nothing;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.index_user_terms()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare terms text[] := identity.terms_of(new);
    begin
      delete from identity.user_terms t where t.user_id = new.id and t.term <> all (terms);
      insert into identity.user_terms (user_id, term)
      select distinct new.id, term from unnest(terms) term on conflict do nothing;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.index_vendor_profile_terms()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare terms text[] := identity.terms_of(new);
    begin
      delete from identity.vendor_profile_terms t
      where t.profile_id = new.id and t.term <> all (terms);
      insert into identity.vendor_profile_terms (profile_id, term)
      select distinct new.id, term from unnest(terms) term on conflict do nothing;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.list_vendor_profile()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      select (u.type = 'vendor' and u.status = 'active' and not u.service) into new.is_listed
      from identity.users u where u.id = new.user_id for share;
      return new;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.metadata_terms(kind text, metadata jsonb)
 RETURNS SETOF bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      with recursive node (path, value) as (
        select jsonb_build_array(kind), metadata
        union all
        select case when inside.key is null then node.path
          else node.path || jsonb_build_array(inside.key) end, inside.value
        from node, lateral (
          select key, value from jsonb_each(
            case jsonb_typeof(node.value) when 'object' then node.value else '{}' end)
          union all
          select null, value from jsonb_array_elements(
            case jsonb_typeof(node.value) when 'array' then node.value else '[]' end)) inside
      )
      select distinct sha256(convert_to((path || jsonb_build_array(value))::text, 'UTF8'))
      from node where jsonb_typeof(value) not in ('object', 'array')
    $function$
;
GRANT EXECUTE ON FUNCTION identity.metadata_terms(text,jsonb) TO PUBLIC;

CREATE OR REPLACE FUNCTION identity.release_profile_files()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      declare
        kept uuid[] := '{}';
        file uuid;
      begin
        if tg_op = 'UPDATE' then
          kept := array[new.logo, new.business_registration_certificate];
        end if;
        foreach file in array array[old.logo, old.business_registration_certificate] loop
          if file is not null and array_position(kept, file) is null then
            perform shared.release_profile_file(file);
          end if;
        end loop;
        return null;
      end $function$
;

CREATE OR REPLACE FUNCTION identity.relist_vendor_profile()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      update identity.vendor_profiles p set is_listed = (new.type = 'vendor' and new.status = 'active' and not new.service)
      where p.user_id = new.id and p.is_listed <> (new.type = 'vendor' and new.status = 'active' and not new.service);
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.require_administrator()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      -- One removal at a time: of two, each would still see the other's administrator. The next
      -- query has a snapshot of its own, taken after the other's commit.
      perform pg_advisory_xact_lock(hashtextextended('identity.require_administrator', 0));
      if not exists (
        select from identity.users u where u.type = 'admin' and u.status = 'active' and not u.service
      ) then
        raise exception 'the last active administrator must stay' using
          errcode = 'restrict_violation', schema = 'identity', table = 'users',
          constraint = tg_name, detail = old.id, hint = 'Make another administrator first.';
      end if;
      return null;
    end $function$
;

CREATE OR REPLACE FUNCTION identity.terms_of(u identity.users)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select identity.fold_words(concat_ws(' ', u.name, u.first_name, u.last_name))
        || identity.fold_words(concat_ws(' ', u.email, u.email_key))
        || case when u.phone is null then '{}'::text[]
          else array[substr(u.phone, 2), '<' || reverse(substr(u.phone, 2))] end
    $function$
;
GRANT EXECUTE ON FUNCTION identity.terms_of(identity.users) TO PUBLIC;

CREATE OR REPLACE FUNCTION identity.terms_of(p identity.vendor_profiles)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select identity.fold_words(p.business_name) || identity.fold_words(p.company_name) || identity.fold_words(p.business_type) || identity.fold_words(p.city) || identity.fold_words(p.country) || identity.fold_words(regexp_replace(p.website, '^https?://', '', 'i')) || identity.fold_words(p.company_details)
    $function$
;
GRANT EXECUTE ON FUNCTION identity.terms_of(identity.vendor_profiles) TO PUBLIC;

CREATE OR REPLACE FUNCTION identity.void_foreign_hash()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      new.foreign_hash := null;
      return new;
    end $function$
;

CREATE OR REPLACE FUNCTION keys.create_search_key(proposed bytea)
 RETURNS bytea
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      insert into keys.search_key (wrapped) values (proposed) on conflict do nothing;
      return (select k.wrapped from keys.search_key k);
    end $function$
;
GRANT EXECUTE ON FUNCTION keys.create_search_key(bytea) TO audit_service;

CREATE OR REPLACE FUNCTION keys.create_subject_key(wanted text, proposed_id uuid, proposed bytea)
 RETURNS TABLE(key_id uuid, wrapped bytea)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      -- Serialises with keys.erase_subject, so that no key is made in the instant after the tombstone.
      perform pg_advisory_xact_lock_shared(hashtextextended(wanted, 7305148));
      if exists (select 1 from keys.erased_subjects e where e.subject = wanted) then return; end if;
      insert into keys.subject_keys (key_id, subject, wrapped) values (proposed_id, wanted, proposed)
      on conflict (subject) where superseded_at is null do nothing;
      return query select k.key_id, k.wrapped from keys.subject_keys k where k.subject = wanted and k.superseded_at is null;
    end $function$
;
GRANT EXECUTE ON FUNCTION keys.create_subject_key(text,uuid,bytea) TO audit_service;
GRANT EXECUTE ON FUNCTION keys.create_subject_key(text,uuid,bytea) TO file_service;
GRANT EXECUTE ON FUNCTION keys.create_subject_key(text,uuid,bytea) TO user_service;

CREATE OR REPLACE FUNCTION keys.destroy_day_keys(before date)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare destroyed integer;
    begin
      delete from keys.subject_keys k
      where k.subject like 'day:%' and k.subject collate "C" < 'day:' || to_char(before, 'YYYY-MM-DD');
      get diagnostics destroyed = row_count;
      return destroyed;
    end $function$
;
GRANT EXECUTE ON FUNCTION keys.destroy_day_keys(date) TO audit_service;

CREATE OR REPLACE FUNCTION keys.erase_subject(erased text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform pg_advisory_xact_lock(hashtextextended(erased, 7305148));
      -- The clock, not the transaction's start: replicas ask for what was erased lately, and this may have waited for the lock.
      insert into keys.erased_subjects (subject, erased_at) values (erased, clock_timestamp()) on conflict do nothing;
      delete from keys.subject_keys k where k.subject = erased;
    end $function$
;
GRANT EXECUTE ON FUNCTION keys.erase_subject(text) TO audit_service;

CREATE OR REPLACE FUNCTION keys.find_keys(wanted uuid[])
 RETURNS TABLE(key_id uuid, subject text, wrapped bytea)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select k.key_id, k.subject, k.wrapped from keys.subject_keys k where k.key_id = any(wanted)
    $function$
;
GRANT EXECUTE ON FUNCTION keys.find_keys(uuid[]) TO audit_service;

CREATE OR REPLACE FUNCTION keys.find_search_key()
 RETURNS bytea
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$ select k.wrapped from keys.search_key k $function$
;
GRANT EXECUTE ON FUNCTION keys.find_search_key() TO audit_service;

CREATE OR REPLACE FUNCTION keys.find_subject_key(wanted text)
 RETURNS TABLE(key_id uuid, wrapped bytea, erased boolean, uncommitted boolean)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      -- now() is the start of the transaction, and so is the created_at of a key that it made itself.
      select k.key_id, k.wrapped, e.subject is not null, coalesce(k.created_at = now(), false)
      from (select wanted as subject) w
      left join keys.subject_keys k on k.subject = w.subject and k.superseded_at is null
      left join keys.erased_subjects e on e.subject = w.subject
    $function$
;
GRANT EXECUTE ON FUNCTION keys.find_subject_key(text) TO audit_service;
GRANT EXECUTE ON FUNCTION keys.find_subject_key(text) TO file_service;
GRANT EXECUTE ON FUNCTION keys.find_subject_key(text) TO user_service;

CREATE OR REPLACE FUNCTION keys.list_erased(within interval)
 RETURNS TABLE(subject text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select e.subject from keys.erased_subjects e where e.erased_at > clock_timestamp() - within
    $function$
;
GRANT EXECUTE ON FUNCTION keys.list_erased(interval) TO audit_service;
GRANT EXECUTE ON FUNCTION keys.list_erased(interval) TO file_service;
GRANT EXECUTE ON FUNCTION keys.list_erased(interval) TO user_service;

CREATE OR REPLACE FUNCTION keys.list_erased_among(subjects text[])
 RETURNS TABLE(subject text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select e.subject from keys.erased_subjects e where e.subject = any(subjects)
    $function$
;
GRANT EXECUTE ON FUNCTION keys.list_erased_among(text[]) TO audit_service;

CREATE OR REPLACE FUNCTION keys.list_keys_to_rotate(older_than timestamp with time zone, most integer)
 RETURNS TABLE(subject text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select k.subject from keys.subject_keys k
      where k.superseded_at is null and k.created_at < older_than and k.subject not like 'day:%'
      order by k.created_at limit most
    $function$
;
GRANT EXECUTE ON FUNCTION keys.list_keys_to_rotate(timestamp with time zone,integer) TO audit_service;

CREATE OR REPLACE FUNCTION keys.rotate_subject_key(wanted text, proposed_id uuid, proposed bytea)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    begin
      perform pg_advisory_xact_lock(hashtextextended(wanted, 7305148));
      if exists (select 1 from keys.erased_subjects e where e.subject = wanted) then return false; end if;
      update keys.subject_keys k set superseded_at = now() where k.subject = wanted and k.superseded_at is null;
      if not found then return false; end if;
      insert into keys.subject_keys (key_id, subject, wrapped) values (proposed_id, wanted, proposed);
      return true;
    end $function$
;
GRANT EXECUTE ON FUNCTION keys.rotate_subject_key(text,uuid,bytea) TO audit_service;

CREATE OR REPLACE FUNCTION shared.claim_profile_file(file uuid, owner uuid)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      declare media_type text;
      begin
        update files.profile_files p set unclaimed_since = null where p.file_id = file;
        select f.mime_type into media_type from files.files f
        where f.id = file and f.user_id = owner and f.status = 'ready' for share;
        return media_type;
      end $function$
;
GRANT EXECUTE ON FUNCTION shared.claim_profile_file(uuid,uuid) TO user_service;

CREATE OR REPLACE FUNCTION shared.find_api_tokens(hashes bytea[], ids uuid[])
 RETURNS TABLE(id uuid, token_hash bytea, user_id uuid, role text, scopes text[], allowed_ips text[], expires_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      select t.id, t.token_hash, t.user_id, u.type, t.scopes, t.allowed_ips::text[], t.expires_at
      from identity.api_tokens t join identity.users u on u.id = t.user_id
      where (t.token_hash = any(hashes) or t.id = any(ids)) and t.revoked_at is null and t.expires_at > clock_timestamp() and u.status = 'active'
    $function$
;
GRANT EXECUTE ON FUNCTION shared.find_api_tokens(bytea[],uuid[]) TO audit_service;
GRANT EXECUTE ON FUNCTION shared.find_api_tokens(bytea[],uuid[]) TO file_service;
GRANT EXECUTE ON FUNCTION shared.find_api_tokens(bytea[],uuid[]) TO user_service;

CREATE OR REPLACE FUNCTION shared.find_sent(wanted text, lanes smallint[], seqs bigint[], ids uuid[], digests bytea[])
 RETURNS SETOF integer
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
      select w.n::integer
      from unnest(lanes, seqs, ids, digests) with ordinality as w(lane, seq, id, digest, n)
      cross join lateral (
        select o.event_id, o.digest from shared.outbox_records o where o.source = wanted and o.lane = w.lane and o.seq = w.seq offset 0) o
      where o.event_id = w.id and o.digest = w.digest
    $function$
;
GRANT EXECUTE ON FUNCTION shared.find_sent(text,smallint[],bigint[],uuid[],bytea[]) TO audit_service;

CREATE OR REPLACE FUNCTION shared.lease_limit(wanted bytea, every_us bigint, burst integer, most integer)
 RETURNS TABLE(granted integer, remaining integer, reset_us bigint, retry_us bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
    declare
      at timestamptz;
      every interval := every_us * interval '1 microsecond';
      current timestamptz;
    begin
      insert into shared.limits as l (key, tat) values (wanted, '-infinity')
        on conflict (key) do update set tat = l.tat returning l.tat into current;
      at := clock_timestamp();
      current := least(greatest(current, at), at + burst * every);
      granted := least(most, floor(extract(epoch from at + burst * every - current) * 1000000 / every_us));
      current := current + granted * every;
      update shared.limits l set tat = current where l.key = wanted;
      reset_us := extract(epoch from current - at) * 1000000;
      remaining := burst - ceil(reset_us::numeric / every_us);
      retry_us := case when granted > 0 then 0 else ceil(extract(epoch from current + every - burst * every - at) * 1000000) end;
      return next;
    end $function$
;
GRANT EXECUTE ON FUNCTION shared.lease_limit(bytea,bigint,integer,integer) TO audit_service;
GRANT EXECUTE ON FUNCTION shared.lease_limit(bytea,bigint,integer,integer) TO file_service;
GRANT EXECUTE ON FUNCTION shared.lease_limit(bytea,bigint,integer,integer) TO user_service;

CREATE OR REPLACE FUNCTION shared.refund_limits(wanted bytea[], intervals bigint[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
    declare i integer;
    begin
      for i in select u.place from unnest(wanted) with ordinality as u (key, place) order by u.key loop
        update shared.limits l set tat = l.tat - intervals[i] * interval '1 microsecond' where l.key = wanted[i] and l.tat > clock_timestamp();
      end loop;
    end $function$
;
GRANT EXECUTE ON FUNCTION shared.refund_limits(bytea[],bigint[]) TO audit_service;
GRANT EXECUTE ON FUNCTION shared.refund_limits(bytea[],bigint[]) TO file_service;
GRANT EXECUTE ON FUNCTION shared.refund_limits(bytea[],bigint[]) TO user_service;

CREATE OR REPLACE FUNCTION shared.release_profile_file(file uuid)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
        update files.profile_files p set unclaimed_since = now() where p.file_id = file
      $function$
;

CREATE OR REPLACE FUNCTION shared.replay_erasures(erased uuid[])
 RETURNS SETOF uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    declare one uuid;
    begin
      for one in
        select u from unnest(erased) u where not exists (select from keys.erased_subjects e where e.subject = u::text)
      loop
        perform keys.erase_subject(one::text);
        insert into shared.erasures (user_id) values (one)
        on conflict (user_id) do update set requested_at = now(), identity_done = false, files_done = false, audit_done = false;
        return next one;
      end loop;
    end $function$
;
GRANT EXECUTE ON FUNCTION shared.replay_erasures(uuid[]) TO audit_service;

CREATE OR REPLACE FUNCTION shared.sweep_limits(most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
    declare swept integer;
    begin
      delete from shared.limits where key in (
        select l.key from shared.limits l where greatest(l.tat, l.told_until) < clock_timestamp() limit most for update skip locked);
      get diagnostics swept = row_count;
      return swept;
    end $function$
;
GRANT EXECUTE ON FUNCTION shared.sweep_limits(integer) TO audit_service;
GRANT EXECUTE ON FUNCTION shared.sweep_limits(integer) TO file_service;
GRANT EXECUTE ON FUNCTION shared.sweep_limits(integer) TO user_service;

CREATE OR REPLACE FUNCTION shared.take_limits(wanted bytea[], intervals bigint[], bursts integer[])
 RETURNS TABLE(allowed boolean, remaining integer, reset_us bigint, retry_us bigint, first_refusal boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog'
AS $function$
    declare
      n integer := cardinality(wanted);
      i integer;
      at timestamptz;
      every interval[];
      tats timestamptz[] := array_fill(null::timestamptz, array[n]);
      told timestamptz[] := array_fill(null::timestamptz, array[n]);
      found_tat timestamptz;
      found_told timestamptz;
      passes boolean := true;
    begin
      for i in select u.place from unnest(wanted) with ordinality as u (key, place) order by u.key loop
        insert into shared.limits as l (key, tat) values (wanted[i], '-infinity')
          on conflict (key) do update set tat = l.tat returning l.tat, l.told_until into found_tat, found_told;
        tats[i] := found_tat;
        told[i] := found_told;
      end loop;
      at := clock_timestamp();
      for i in 1..n loop
        every[i] := intervals[i] * interval '1 microsecond';
        tats[i] := least(greatest(tats[i], at), at + bursts[i] * every[i]);
        passes := passes and tats[i] + every[i] <= at + bursts[i] * every[i];
      end loop;
      for i in 1..n loop
        allowed := tats[i] + every[i] <= at + bursts[i] * every[i];
        first_refusal := not allowed and told[i] <= at;
        retry_us := case when allowed then 0 else ceil(extract(epoch from tats[i] + every[i] - bursts[i] * every[i] - at) * 1000000) end;
        if passes then
          tats[i] := tats[i] + every[i];
          update shared.limits l set tat = tats[i] where l.key = wanted[i];
        elsif first_refusal then
          update shared.limits l set told_until = at + bursts[i] * every[i] where l.key = wanted[i];
        end if;
        reset_us := extract(epoch from tats[i] - at) * 1000000;
        remaining := bursts[i] - ceil(reset_us::numeric / intervals[i]);
        return next;
      end loop;
    end $function$
;
GRANT EXECUTE ON FUNCTION shared.take_limits(bytea[],bigint[],integer[]) TO audit_service;
GRANT EXECUTE ON FUNCTION shared.take_limits(bytea[],bigint[],integer[]) TO file_service;
GRANT EXECUTE ON FUNCTION shared.take_limits(bytea[],bigint[],integer[]) TO user_service;

CREATE OR REPLACE FUNCTION shared.touch_api_tokens(token_ids uuid[], seconds_ago double precision[], addresses text[])
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      with seen as (
        select distinct on (token_id) token_id,
          clock_timestamp() - greatest(ago, 0) * interval '1 second' as at, address
        from unnest(token_ids, seconds_ago, addresses) as given (token_id, ago, address)
        order by token_id, ago
      ), held as (
        select t.id, t.user_id, seen.at, seen.address
        from identity.api_tokens t join seen on seen.token_id = t.id
        where t.revoked_at is null and (t.last_used_at is null or seen.at > t.last_used_at)
        for no key update of t skip locked
      ), touched as (
        update identity.api_tokens t set last_used_at = held.at, last_used_ip = held.address
        from held where t.id = held.id returning 1
      ), days as (
        select user_id, max((held.at at time zone 'UTC')::date) as day from held group by user_id
      ), due as (
        select u.id, days.day from identity.users u join days on days.user_id = u.id
        where u.last_active_on is null or u.last_active_on < days.day
        for no key update of u skip locked
      ), active as (
        update identity.users u set last_active_on = due.day from due where u.id = due.id
      )
      select count(*)::integer from touched
    $function$
;
GRANT EXECUTE ON FUNCTION shared.touch_api_tokens(uuid[],double precision[],text[]) TO audit_service;
GRANT EXECUTE ON FUNCTION shared.touch_api_tokens(uuid[],double precision[],text[]) TO file_service;
GRANT EXECUTE ON FUNCTION shared.touch_api_tokens(uuid[],double precision[],text[]) TO user_service;

CREATE OR REPLACE FUNCTION shared.touch_sessions(session_ids uuid[], seconds_ago double precision[])
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      with seen as (
        select session_id, clock_timestamp() - greatest(min(ago), 0) * interval '1 second' as at
        from unnest(session_ids, seconds_ago) as given (session_id, ago) group by session_id
      ), held as (
        select s.id, s.user_id, seen.at
        from identity.sessions s join seen on seen.session_id = s.id
        where s.revoked_at is null and seen.at > s.last_seen
          and s.last_seen + s.idle_timeout > seen.at
        for no key update of s skip locked
      ), touched as (
        update identity.sessions s set last_seen = held.at
        from held where s.id = held.id returning 1
      ), days as (
        select user_id, max((held.at at time zone 'UTC')::date) as day from held group by user_id
      ), due as (
        select u.id, days.day from identity.users u join days on days.user_id = u.id
        where u.last_active_on is null or u.last_active_on < days.day
        for no key update of u skip locked
      ), active as (
        update identity.users u set last_active_on = due.day from due where u.id = due.id
      )
      select count(*)::integer from touched
    $function$
;
GRANT EXECUTE ON FUNCTION shared.touch_sessions(uuid[],double precision[]) TO audit_service;
GRANT EXECUTE ON FUNCTION shared.touch_sessions(uuid[],double precision[]) TO file_service;
GRANT EXECUTE ON FUNCTION shared.touch_sessions(uuid[],double precision[]) TO user_service;

ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA migrations GRANT SELECT ON r TO audit_service;

ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA migrations GRANT SELECT ON r TO file_service;

ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA migrations GRANT SELECT ON r TO user_service;
