import type { Entry } from './export-entry.ts';

// The numbers are those of OCSF 1.3.0, schema.ocsf.io/1.3.0.
const IAM = 3;
const APPLICATION = 6;
export const ACCOUNT_CHANGE = 3001;
export const AUTHENTICATION = 3002;
const API_ACTIVITY = 6003;
export const FILE_HOSTING = 6006;
export const OTHER = 99;

export interface Classification {
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

/** The OCSF class and activity of an action. A customer's own action is always an API activity. */
export function classify({ source, action }: Pick<Entry, 'source' | 'action'>): Classification {
  const known = source === 'app' ? undefined : ACTIONS[action];
  return known ?? api(VERBS.find(([ending]) => ending.test(action))?.[1] ?? OTHER);
}
