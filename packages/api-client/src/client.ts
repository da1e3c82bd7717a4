import type { Answer, AnyInput, CallOptions, Route } from './core/call.ts';
import { planRequest, type Send } from './core/plan-request.ts';
import { isProblem } from './core/problem.ts';
import { DEFAULT_RETRY, type RetryPolicy } from './core/retry.ts';
import { sendRequest, type Access, type Sender } from './core/send-request.ts';
import type { Api } from './generated/api.ts';
import { ROUTES } from './generated/routes.ts';
import type { Schemas } from './generated/schemas.ts';
import { iteratePages } from './pages/iterate-pages.ts';
import { createSession, type Session, type SessionTokens } from './session/session.ts';
import { createTokenAccess } from './session/token-access.ts';
import { streamLogs, type LogEvent, type StreamInput } from './stream/stream-logs.ts';
import { planUpload, type UploadInput } from './uploads/plan-upload.ts';

export interface ClientOptions {
  /** That of the gateway, as `https://muniment.example.com`; empty for the page's own. */
  url: string;
  /** An API token or a viewer token, in the place of a session. */
  apiToken?: string;
  /** Session cookies, for pages. Tokens stay out of reach of scripts. */
  cookies?: boolean;
  /** The tokens of a session before, as `onSession` got them. */
  session?: SessionTokens;
  /** Called at each sign-in and refresh, and with undefined at the end of the session. */
  onSession?(tokens: SessionTokens | undefined): void;
  retry?: Partial<RetryPolicy>;
  /** Milliseconds for one attempt (30,000). */
  timeoutMs?: number;
  fetch?: Send;
}

type SignedIn = Answer<Schemas['SignedIn']>;

export interface Client {
  /** Each operation of the document. */
  api: Api;
  /** The tokens in use. With an API token it has none. */
  session: Pick<Session, 'current' | 'adopt' | 'clear'>;
  /** Creates an account and uses its session. */
  signUp(body: Schemas['RegisterUserRequest'], options?: CallOptions): Promise<SignedIn>;
  /** Logs in and uses the session. */
  logIn(body: Schemas['LogInUserRequest'], options?: CallOptions): Promise<SignedIn>;
  /** Ends every session, and uses the new one. */
  changePassword(body: Schemas['ChangePasswordRequest'], options?: CallOptions): Promise<SignedIn>;
  /** Ends the session and forgets its tokens. */
  logOut(options?: CallOptions): Promise<void>;
  /** Uploads a file and tells the progress. */
  upload(input: UploadInput): Promise<Answer<Schemas['File']>>;
  /** Entries of the trail as they are sealed, over any number of connections. */
  streamLogs(input?: StreamInput): AsyncGenerator<LogEvent, void, void>;
}

const DEFAULT_TIMEOUT_MS = 30_000;

type AnyCall = (input?: AnyInput) => Promise<Answer<unknown>>;

function createCall(sender: Sender, base: string, route: Route): AnyCall {
  const read = async (input: AnyInput): Promise<Answer<unknown>> =>
    sendRequest(sender, planRequest(base, route, input));
  if (!route.isList) return (input = {}) => read(input);
  return (input = {}) => {
    const first = read(input);
    const pages = { [Symbol.asyncIterator]: () => iteratePages(first, { read, input }) };
    return Object.assign(first, pages);
  };
}

function createApi(sender: Sender, base: string): Api {
  const groups = Object.entries<Record<string, Route>>(ROUTES).map(([group, routes]) => [
    group,
    Object.fromEntries(
      Object.entries(routes).map(([name, route]) => [name, createCall(sender, base, route)]),
    ),
  ]);
  return Object.fromEntries(groups) as unknown as Api;
}

function createOwnSession(options: ClientOptions, getApi: () => Api): Session {
  const byCookies = options.cookies === true;
  return createSession({
    // Cookies of an earlier visit may still be valid: the first 401 tells.
    tokens: options.session ?? (byCookies ? { expires_at: Infinity } : undefined),
    credentials: byCookies ? 'include' : 'omit',
    onChange: (tokens) => options.onSession?.(tokens),
    async refresh({ refresh_token }) {
      const { refreshSession } = getApi().sessions;
      const { data } = await (refresh_token === undefined
        ? refreshSession({ query: { session: 'cookie' } })
        : refreshSession({ body: { refresh_token } }));
      return data;
    },
  });
}

/** Where tokens are adopted, and forgotten. */
function createAccountCalls(
  api: Api,
  session: Session,
  { cookies }: ClientOptions,
): Pick<Client, 'signUp' | 'logIn' | 'changePassword' | 'logOut'> {
  const query = { session: cookies === true ? ('cookie' as const) : ('token' as const) };
  async function adopt(signingIn: Promise<SignedIn>): Promise<SignedIn> {
    const answer = await signingIn;
    session.adopt(answer.data);
    return answer;
  }
  return {
    signUp: (body, options) => adopt(api.signIn.registerUser({ ...options, query, body })),
    logIn: (body, options) => adopt(api.signIn.logInUser({ ...options, query, body })),
    changePassword: (body, options) => adopt(api.passwords.changePassword({ ...options, body })),
    async logOut(options) {
      try {
        await api.sessions.logOut(options);
      } catch (error) {
        // It has ended already, perhaps by an attempt whose answer was lost.
        if (!isProblem(error) || error.status !== 401) throw error;
      }
      session.clear();
    },
  };
}

/** A client of one Muniment. It holds the tokens of at most one user. */
export function createClient(options: ClientOptions): Client {
  const { url: base, apiToken } = options;
  const session = createOwnSession(options, () => api);
  const access: Access = apiToken === undefined ? session : createTokenAccess(apiToken);
  const sender: Sender = {
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    access,
    retry: { ...DEFAULT_RETRY, ...options.retry },
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  };
  const api = createApi(sender, base);
  return {
    api,
    session,
    ...createAccountCalls(api, session, options),
    async upload(input) {
      const route = ROUTES.uploads.uploadFile;
      const answer = await sendRequest(sender, planUpload(base, route, input));
      return answer as Answer<Schemas['File']>;
    },
    streamLogs: (input) => streamLogs(api, input),
  };
}
