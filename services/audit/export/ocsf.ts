import { toEntry, type Entry } from './export-entry.ts';
import type { ExportFormat } from './format.ts';

// The numbers are those of OCSF 1.3.0, schema.ocsf.io/1.3.0.
const VERSION = '1.3.0';
const IAM = 3;
const APPLICATION = 6;
const ACCOUNT_CHANGE = 3001;
const AUTHENTICATION = 3002;
const API_ACTIVITY = 6003;
const FILE_HOSTING = 6006;
const OTHER = 99;
const INFORMATIONAL = 1;
const MEDIUM = 3;
const HIGH = 4;
const SUCCESS = 1;
const FAILURE = 2;
const REGULAR_FILE = 1;

interface Classification {
  category: number;
  class: number;
  activity: number;
}

const account = (activity: number): Classification => ({
  category: IAM,
  class: ACCOUNT_CHANGE,
  activity,
});
const authentication = (activity: number): Classification => ({
  category: IAM,
  class: AUTHENTICATION,
  activity,
});
const fileHosting = (activity: number): Classification => ({
  category: APPLICATION,
  class: FILE_HOSTING,
  activity,
});
const api = (activity: number): Classification => ({
  category: APPLICATION,
  class: API_ACTIVITY,
  activity,
});

/**
 * The schema numbers few activities. Other ones are `OTHER` of their class, named by the action.
 */
const ACTIONS: Readonly<Record<string, Classification>> = {
  LOGIN_SUCCESS: authentication(1),
  LOGIN_FAIL: authentication(1),
  LOGOUT: authentication(2),
  SESSION_REVOKED: authentication(2),
  TOKEN_REFRESHED: authentication(OTHER),
  TOKEN_REUSE_DETECTED: authentication(OTHER),
  CODE_SENT: authentication(OTHER),
  CODE_FAIL: authentication(OTHER),
  SIGNUP_SUCCESS: account(1),
  SIGNUP_FAIL: account(1),
  USER_CREATED: account(1),
  PASSWORD_CHANGED: account(3),
  PASSWORD_RESET: account(4),
  PASSWORD_RESET_REQUESTED: account(4),
  EMAIL_CHANGE_REQUESTED: account(OTHER),
  USER_DELETED: account(6),
  SUBJECT_ERASED: account(6),
  USER_UPDATED: account(OTHER),
  USER_STATUS_CHANGED: account(OTHER),
  FILE_UPLOAD: fileHosting(1),
  FILE_DOWNLOAD: fileHosting(2),
  FILE_RENAMED: fileHosting(5),
  FILE_DELETE: fileHosting(4),
  FILE_SHARED: fileHosting(12),
  AUDIT_READ: api(2),
  AUDIT_EXPORTED: api(2),
};
/** Activities by an action's last word, for customers' and future actions. */
const VERBS: readonly [RegExp, number][] = [
  [/_(CREATED?|ADDED|REGISTERED|ARCHIVED)$/, 1],
  [/_(READ|VIEWED|EXPORTED)$/, 2],
  [/_(UPDATED?|CHANGED|RENAMED|REPLAYED|RESTORED)$/, 3],
  [/_(DELETED?|REMOVED|REVOKED)$/, 4],
];

const SEVERE: Readonly<Record<string, number>> = {
  TOKEN_REUSE_DETECTED: HIGH,
  ACCESS_DENIED: MEDIUM,
};

/** The OCSF class and activity of an action. A customer's own action is always an API activity. */
export function classify({ source, action }: Pick<Entry, 'source' | 'action'>): Classification {
  const known = source === 'app' ? undefined : ACTIONS[action];
  return known ?? api(VERBS.find(([ending]) => ending.test(action))?.[1] ?? OTHER);
}

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
function ofClass(entry: Entry, { class: uid }: Classification): object {
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
    case FILE_HOSTING: {
      const { filename, size } = entry.metadata;
      return {
        actor,
        file: {
          name: text(filename) ?? entry.resource ?? 'unknown',
          type_id: REGULAR_FILE,
          ...(entry.resource !== null && { uid: entry.resource }),
          ...(typeof size === 'number' && { size }),
        },
      };
    }
    default:
      return {
        actor,
        api: { operation: entry.action, service, request: { uid: entry.request_id } },
        ...(entry.resource !== null && {
          resources: [
            {
              uid: entry.resource,
              ...(entry.resource_type !== null && { type: entry.resource_type }),
            },
          ],
        }),
      };
  }
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
    ...ofClass(entry, classification),
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
