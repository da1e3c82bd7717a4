import { isProblem } from '../core/problem.ts';
import type { Access, Grant } from '../core/send-request.ts';
import { untilAborted } from '../core/waiting.ts';

/** What a page or program stores to stay signed in. With cookies it has no tokens. */
export interface SessionTokens {
  token?: string;
  refresh_token?: string;
  /** When the access token expires, in milliseconds by the clock of this machine. */
  expires_at: number;
}

/** The answer of a sign-in or a refresh. */
export interface NewTokens {
  token?: string;
  refresh_token?: string;
  expires_in: number;
}

export interface Session extends Access {
  /** The present tokens; undefined while nobody is signed in. */
  current(): SessionTokens | undefined;
  /** Uses the tokens of a sign-in from now on. */
  adopt(tokens: NewTokens): void;
  /** Forgets the tokens. It does not end the session. */
  clear(): void;
}

export interface SessionOptions {
  credentials: RequestInit['credentials'];
  tokens: SessionTokens | undefined;
  refresh(tokens: SessionTokens): Promise<NewTokens>;
  /** Called at each change, to store the tokens; with undefined once the session has ended. */
  onChange(tokens: SessionTokens | undefined): void;
}

/** Refreshed this long before the end, or after three quarters of a shorter life. */
const REFRESH_AHEAD_MS = 30_000;
/** Until then before the end, requests go on with the old token and do not wait. */
const WAIT_BELOW_MS = 5_000;
const PAUSE_AFTER_FAILURE_MS = 5_000;

interface SessionGrant extends Grant {
  tokens: SessionTokens | undefined;
}

interface State {
  options: SessionOptions;
  tokens: SessionTokens | undefined;
  refreshAt: number;
  /** The one refresh that runs. */
  refreshing: Promise<void> | undefined;
}

function setTokens(state: State, tokens: SessionTokens | undefined): void {
  state.tokens = tokens;
  state.refreshAt = findRefreshTime(tokens);
  state.options.onChange(tokens);
}

async function refresh(state: State, old: SessionTokens): Promise<void> {
  try {
    const answer = await state.options.refresh(old);
    // Somebody may have signed in or out in the meantime.
    if (state.tokens === old) setTokens(state, toTokens(answer));
  } catch (error) {
    if (state.tokens === old && isProblem(error) && error.status === 401)
      setTokens(state, undefined);
    state.refreshAt = Math.max(state.refreshAt, Date.now() + PAUSE_AFTER_FAILURE_MS);
    throw error;
  }
}

/** No caller's signal ends the refresh: the others wait for it too. */
function refreshOnce(state: State, old: SessionTokens): Promise<void> {
  state.refreshing ??= refresh(state, old).finally(() => (state.refreshing = undefined));
  return state.refreshing;
}

async function refreshAhead(state: State, signal: AbortSignal | undefined): Promise<void> {
  const { tokens } = state;
  if (tokens === undefined) return;
  const left = tokens.expires_at - Date.now();
  if (left > 0 && Date.now() < state.refreshAt) return;
  const done = refreshOnce(state, tokens);
  if (left > WAIT_BELOW_MS) return void done.catch(() => undefined);
  // While the old token lives, a failed refresh fails nobody.
  await untilAborted(signal, left > 0 ? done.catch(() => undefined) : done);
}

async function openGrant(state: State, signal: AbortSignal | undefined): Promise<SessionGrant> {
  await refreshAhead(state, signal);
  const { tokens, options } = state;
  const authorization = tokens?.token === undefined ? undefined : `Bearer ${tokens.token}`;
  return {
    ...(authorization !== undefined && { authorization }),
    credentials: options.credentials,
    tokens,
  };
}

async function renew(state: State, used: Grant, signal: AbortSignal | undefined): Promise<boolean> {
  const { tokens } = state;
  if (tokens === undefined) return false;
  // Another caller's refresh came first.
  if ((used as SessionGrant).tokens !== tokens) return true;
  try {
    await untilAborted(signal, refreshOnce(state, tokens));
  } catch (error) {
    if (isProblem(error) && error.status === 401) return false;
    throw error;
  }
  return true;
}

/** Access tokens that are refreshed before they expire, once for all callers. */
export function createSession(options: SessionOptions): Session {
  const { tokens, credentials } = options;
  const state: State = {
    options,
    tokens,
    refreshAt: findRefreshTime(tokens),
    refreshing: undefined,
  };
  return {
    credentials,
    current: () => state.tokens,
    adopt: (next) => setTokens(state, toTokens(next)),
    clear: () => setTokens(state, undefined),
    open: (signal) => openGrant(state, signal),
    renew: (used, signal) => renew(state, used, signal),
  };
}

const toTokens = ({ token, refresh_token, expires_in }: NewTokens): SessionTokens => ({
  ...(token !== undefined && { token }),
  ...(refresh_token !== undefined && { refresh_token }),
  expires_at: Date.now() + expires_in * 1_000,
});

function findRefreshTime(tokens: SessionTokens | undefined): number {
  if (tokens === undefined) return Infinity;
  const left = Math.max(0, tokens.expires_at - Date.now());
  return tokens.expires_at - Math.min(REFRESH_AHEAD_MS, left / 4);
}
