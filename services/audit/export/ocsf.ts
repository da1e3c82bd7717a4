import { toEntry, type Entry } from './export-entry.ts';
import type { ExportFormat } from './format.ts';
import {
  ACCOUNT_CHANGE,
  AUTHENTICATION,
  FILE_HOSTING,
  OTHER,
  classify,
  type Classification,
} from './ocsf-classes.ts';

// The numbers are those of OCSF 1.3.0, schema.ocsf.io/1.3.0.
const VERSION = '1.3.0';
const INFORMATIONAL = 1;
const MEDIUM = 3;
const HIGH = 4;
const SUCCESS = 1;
const FAILURE = 2;
const REGULAR_FILE = 1;

const SEVERE: Readonly<Record<string, number>> = {
  TOKEN_REUSE_DETECTED: HIGH,
  ACCESS_DENIED: MEDIUM,
};

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
// The schema requires a name also for an unknown or hidden user or address.
const user = (uid: string | null, email: unknown): object => ({
  ...(uid !== null && { uid }),
  ...(text(email) !== undefined && { name: email, email_addr: email }),
  ...(uid === null && text(email) === undefined && { name: 'unknown' }),
});
const endpoint = (ip: unknown): object => (text(ip) === undefined ? { name: 'unknown' } : { ip });

/** The fields of one class. */
function classFields(entry: Entry, { class: uid }: Classification): object {
  const service = { name: `muniment-${entry.source}` };
  const actor =
    entry.user_id === null
      ? { app_name: 'unknown' }
      : {
          user: user(entry.user_id, null),
          ...(entry.session_id !== null && { session: { uid: entry.session_id } }),
        };
  switch (uid) {
    case AUTHENTICATION:
      return {
        user: user(entry.user_id, entry.email),
        service,
        actor,
        ...(entry.session_id !== null && { session: { uid: entry.session_id } }),
      };
    case ACCOUNT_CHANGE:
      return {
        user: user(
          entry.resource_type === 'user' && entry.resource !== null
            ? entry.resource
            : entry.user_id,
          entry.email,
        ),
        actor,
      };
    case FILE_HOSTING:
      return { actor, file: fileOf(entry) };
    default:
      return { actor, ...apiFields(entry, service) };
  }
}

function fileOf({ resource, metadata: { filename, size } }: Entry): object {
  return {
    name: text(filename) ?? resource ?? 'unknown',
    type_id: REGULAR_FILE,
    ...(resource !== null && { uid: resource }),
    ...(typeof size === 'number' && { size }),
  };
}

function apiFields(entry: Entry, service: object): object {
  const { action, request_id, resource, resource_type } = entry;
  return {
    api: { operation: action, service, request: { uid: request_id } },
    ...(resource !== null && {
      resources: [{ uid: resource, ...(resource_type !== null && { type: resource_type }) }],
    }),
  };
}

/** An entry as an event of the Open Cybersecurity Schema Framework. */
export function ocsfEvent(entry: Entry): Record<string, unknown> {
  const classification = classify(entry);
  const { category, class: uid, activity } = classification;
  const failed = entry.outcome === 'failure';
  return {
    category_uid: category,
    class_uid: uid,
    activity_id: activity,
    ...(activity === OTHER && { activity_name: entry.action }),
    type_uid: uid * 100 + activity,
    severity_id: SEVERE[entry.action] ?? INFORMATIONAL,
    time: Date.parse(entry.timestamp),
    status_id: failed ? FAILURE : SUCCESS,
    ...(entry.error !== null && { status_detail: entry.error }),
    metadata: {
      version: VERSION,
      product: { name: 'Muniment', vendor_name: 'Muniment' },
      uid: entry.id,
      sequence: entry.index,
      event_code: entry.action,
      log_name: 'audit',
      correlation_uid: entry.request_id,
      original_time: entry.timestamp,
      ...(entry.tenant_id !== null && { tenant_uid: entry.tenant_id }),
    },
    src_endpoint: endpoint(entry.ip),
    ...(text(entry.user_agent) !== undefined && {
      http_request: { user_agent: entry.user_agent, uid: entry.request_id },
    }),
    ...classFields(entry, classification),
    unmapped: {
      source: entry.source,
      lane: entry.lane,
      seq: entry.seq,
      metadata: entry.metadata,
      traceparent: entry.traceparent,
    },
  };
}

/** One OCSF event a line. */
export const ocsf: ExportFormat = {
  mediaType: 'application/x-ndjson',
  extension: 'ocsf.ndjson',
  async *write(_start, rows) {
    for await (const batch of rows)
      yield batch.map((row) => `${JSON.stringify(ocsfEvent(toEntry(row)))}\n`).join('');
  },
};
