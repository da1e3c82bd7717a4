import type { Operation } from '../history.ts';
import type { ActionKind } from '../plan/plan-actions.ts';

/** An event as far as a client can foresee it. */
export interface ExpectedEvent {
  action: string;
  outcome: 'success' | 'failure';
}

const success = (action: string): ExpectedEvent => ({ action, outcome: 'success' });
const failure = (action: string): ExpectedEvent => ({ action, outcome: 'failure' });

const REGISTER = { 201: success('SIGNUP_SUCCESS'), email_taken: failure('SIGNUP_FAIL') };
const LOGIN = { 200: success('LOGIN_SUCCESS'), invalid_credentials: failure('LOGIN_FAIL') };

/** For each kind of request, the event that an answer promises: by status, or by the code of a refusal. Every other refusal promises that there is none. */
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
  // Many events under one traceparent, known by the ids that their sender gave: `checkSent` holds those against the trail.
  own_events: {},
};

/** The event that the answer promised; undefined when it promised that there is none. Asks for an answer that can be relied on. */
export function promisedEvent({ kind, status, code }: Operation): ExpectedEvent | undefined {
  return PROMISES[kind][status] ?? (code === null ? undefined : PROMISES[kind][code]);
}

/** What a request without a reliable answer may have left behind: one of these, or nothing. */
export function possibleEvents({ kind }: Operation): ExpectedEvent[] {
  return Object.values(PROMISES[kind]);
}
