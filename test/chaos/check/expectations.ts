import type { Operation } from '../history.ts';
import type { ActionKind } from '../plan/plan-actions.ts';

/** The part of an event that a client can predict. */
export interface ExpectedEvent {
  action: string;
  outcome: 'success' | 'failure';
}

const success = (action: string): ExpectedEvent => ({ action, outcome: 'success' });
const failure = (action: string): ExpectedEvent => ({ action, outcome: 'failure' });

const REGISTER = { 201: success('SIGNUP_SUCCESS'), email_taken: failure('SIGNUP_FAIL') };
const LOGIN = { 200: success('LOGIN_SUCCESS'), invalid_credentials: failure('LOGIN_FAIL') };

/** The event that an answer promises, by status or error code. Other refusals promise none. */
const PROMISES: Record<ActionKind, Record<string, ExpectedEvent>> = {
  register: REGISTER,
  register_taken: REGISTER,
  login: LOGIN,
  login_fail: LOGIN,
  refresh: { 200: success('TOKEN_REFRESHED'), refresh_token_invalid: failure('TOKEN_REFRESHED') },
  logout: { 204: success('LOGOUT') },
  password: { 200: success('PASSWORD_CHANGED'), password_incorrect: failure('PASSWORD_CHANGED') },
  delete_account: { 204: success('USER_DELETED'), password_incorrect: failure('USER_DELETED') },
  update: { 200: success('USER_UPDATED') },
  upload: { 201: success('FILE_UPLOAD') },
  download: { 200: success('FILE_DOWNLOAD') },
  delete_file: { 204: success('FILE_DELETE') },
  read_trail: {},
  // Several events share one traceparent, so `checkSent` checks them by their own ids.
  own_events: {},
};

/** The event that a reliable answer promises; undefined when it promises none. */
export function promisedEvent({ kind, status, code }: Operation): ExpectedEvent | undefined {
  return PROMISES[kind][status] ?? (code === null ? undefined : PROMISES[kind][code]);
}

/** The events, at most one of which a request without a reliable answer may have left. */
export function possibleEvents({ kind }: Operation): ExpectedEvent[] {
  return Object.values(PROMISES[kind]);
}
