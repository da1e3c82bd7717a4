import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions, Fleet } from '../../e2e/fleet.ts';
import type { History, Operation } from '../history.ts';
import {
  planActions,
  traceparentOf,
  type ActionKind,
  type PlannedAction,
} from '../plan/plan-actions.ts';

export interface ClientOptions {
  fleet: Fleet;
  history: History;
  seed: number;
  client: number;
  /** Ends the client after its current request. */
  signal: AbortSignal;
}

interface StoredFile {
  id: string;
  name: string;
  size: number;
}

interface Account {
  id: string;
  email: string;
  /** The possible passwords, likeliest first. A change without an answer leaves two. */
  passwords: string[];
  token: string | undefined;
  refreshToken: string | undefined;
  files: StoredFile[];
}

interface Answer {
  operation: Operation;
  text: string;
}

interface SignedInBody {
  user: { id: string };
  token: string;
  refresh_token: string;
}

/** A request that times out may still take effect. */
const REQUEST_TIMEOUT_MS = 8_000;
const BACKOFF_MS = 200;
/** 20 seconds of refusals, which is longer than any fault. */
const MAX_KEYED_ATTEMPTS = 100;

/** The content of a file follows from its name and size. */
const contentOf = ({ name, size }: Pick<StoredFile, 'name' | 'size'>): string =>
  name.repeat(Math.ceil(size / name.length)).slice(0, size);

/** Plays one customer who uses an account through the gateway, and records the answers. */
export async function runClient({
  fleet,
  history,
  seed,
  client,
  signal,
}: ClientOptions): Promise<void> {
  const plan = planActions(seed, client);
  let requests = 0;
  let names = 0;
  let refusedBefore = false;
  let account: Account | undefined;
  const fresh = (what: string): string => `${what}-${seed}-${client}-${(names += 1)}`;

  /** Sends the request once. @returns the text of the answer */
  async function attempt(
    operation: Operation,
    method: string,
    path: string,
    options: CallOptions,
  ): Promise<string> {
    Object.assign(operation, { result: 'unknown', status: 0, code: null, note: null });
    try {
      const answer = await fleet.call(method, path, {
        ...options,
        headers: { traceparent: operation.traceparent, ...options.headers },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      Object.assign(operation, {
        status: answer.status,
        requestId: answer.headers.get('x-request-id'),
        replayed: answer.headers.has('idempotent-replayed'),
      });
      const text = await answer.text();
      operation.result = answer.ok
        ? 'ok'
        : answer.status >= 400 && answer.status < 500
          ? 'refused'
          : 'unknown';
      if (!answer.ok) operation.code = codeOf(text);
      return text;
    } catch (error) {
      // An answer that is cut off in its body counts as none.
      operation.note =
        error instanceof Error
          ? `${error.name}: ${error.cause instanceof Error ? error.cause.message : error.message}`
          : String(error);
      return '';
    }
  }

  /** Sends a request, with an Idempotency-Key until it is answered: it takes effect once. */
  async function perform(
    kind: ActionKind,
    method: string,
    path: string,
    options: CallOptions,
    file: string | null = null,
  ): Promise<Answer> {
    const number = (requests += 1);
    // Immediate retries would prolong an outage.
    if (refusedBefore) await sleep(BACKOFF_MS, undefined, { signal }).catch(() => {});
    const operation: Operation = {
      client,
      number,
      kind,
      traceparent: traceparentOf(seed, client, number),
      account: account?.id ?? null,
      file,
      invokedAt: history.now(),
      completedAt: 0,
      result: 'unknown',
      status: 0,
      code: null,
      requestId: null,
      replayed: false,
      note: null,
    };
    history.write({ type: 'invoke', client, number, kind, account: operation.account, file });
    const isKeyed = options.headers?.['idempotency-key'] !== undefined;
    const maxAttempts = isKeyed ? MAX_KEYED_ATTEMPTS : 1;
    let text = await attempt(operation, method, path, options);
    for (
      let attempts = 1;
      attempts < maxAttempts &&
      !signal.aborted &&
      (operation.result === 'unknown' || operation.code === 'idempotency_in_progress');
      attempts += 1
    ) {
      await sleep(BACKOFF_MS, undefined, { signal }).catch(() => {});
      text = await attempt(operation, method, path, options);
      // Rejected before the key was read, which says nothing about the earlier attempts.
      if (operation.code === 'unauthenticated') operation.result = 'unknown';
    }
    if (operation.code === 'idempotency_in_progress') operation.result = 'unknown';
    operation.completedAt = history.now();
    refusedBefore = operation.result === 'unknown';
    return { operation, text };
  }

  /** Records an operation once its answer is understood. */
  function complete({ operation }: Answer): void {
    history.operations.push(operation);
    history.write({ type: operation.result, ...operation });
    if (operation.status === 401 && operation.code === 'unauthenticated' && account)
      account.token = undefined;
  }

  async function register(): Promise<void> {
    const email = `${fresh('customer')}@example.com`;
    const password = fresh('password');
    const answer = await perform('register', 'POST', '/api/users/register', {
      json: { email, password },
    });
    if (answer.operation.result === 'ok') {
      const { user, token, refresh_token: refreshToken } = JSON.parse(answer.text) as SignedInBody;
      account = { id: user.id, email, passwords: [password], token, refreshToken, files: [] };
      answer.operation.account = user.id;
    }
    complete(answer);
  }

  async function login(mine: Account): Promise<void> {
    const answer = await perform('login', 'POST', '/api/users/login', {
      json: { email: mine.email, password: mine.passwords[0] },
    });
    if (answer.operation.result === 'ok') saveTokens(mine, answer.text);
    complete(answer);
    if (answer.operation.code !== 'invalid_credentials') return;
    mine.passwords.shift();
    // A password change without an answer has taken effect: the account is locked out.
    if (mine.passwords.length === 0) account = undefined;
  }

  function saveTokens(mine: Account, text: string): void {
    const { token, refresh_token: refreshToken } = JSON.parse(text) as SignedInBody;
    Object.assign(mine, { token, refreshToken });
  }

  async function changePassword(mine: Account, token: string): Promise<void> {
    const next = fresh('password');
    const [current = ''] = mine.passwords;
    const answer = await perform('password', 'POST', '/api/users/me/password', {
      token,
      json: { current_password: current, new_password: next },
    });
    const { result } = answer.operation;
    if (result === 'ok') {
      saveTokens(mine, answer.text);
      mine.passwords = [next];
    } else if (result === 'unknown') {
      mine.passwords = [next, ...mine.passwords];
      mine.token = undefined;
    }
    complete(answer);
  }

  async function refresh(mine: Account): Promise<void> {
    const answer = await perform('refresh', 'POST', '/api/auth/refresh', {
      json: { refresh_token: mine.refreshToken ?? '' },
    });
    if (answer.operation.result === 'ok') saveTokens(mine, answer.text);
    // The token may be spent, and a second use would look like theft.
    else mine.token = undefined;
    complete(answer);
  }

  async function upload(mine: Account, token: string, size: number): Promise<void> {
    const name = fresh('file');
    const form = new FormData();
    form.append(
      'file',
      new File([contentOf({ name, size })], name, { type: 'application/octet-stream' }),
    );
    const answer = await perform('upload', 'POST', '/api/files', {
      token,
      body: form,
      headers: { 'idempotency-key': name },
    });
    if (answer.operation.result === 'ok') {
      const { id } = JSON.parse(answer.text) as { id: string };
      answer.operation.file = id;
      mine.files.push({ id, name, size });
    }
    complete(answer);
  }

  async function download(token: string, file: StoredFile): Promise<void> {
    const answer = await perform('download', 'GET', `/api/files/${file.id}`, { token }, file.id);
    if (answer.operation.result === 'ok' && answer.text !== contentOf(file))
      answer.operation.note = 'other bytes than were uploaded';
    complete(answer);
  }

  async function simple(
    kind: ActionKind,
    method: string,
    path: string,
    options: CallOptions,
    file: string | null = null,
  ): Promise<Operation> {
    const answer = await perform(kind, method, path, options, file);
    complete(answer);
    return answer.operation;
  }

  async function act(
    { kind, size, choice }: PlannedAction,
    mine: Account,
    token: string,
  ): Promise<void> {
    const file = mine.files[Math.floor(choice * mine.files.length)];
    switch (kind) {
      case 'login':
        return login(mine);
      case 'refresh':
        return refresh(mine);
      case 'password':
        return changePassword(mine, token);
      case 'upload':
        return upload(mine, token, size);
      case 'download':
        return file ? download(token, file) : upload(mine, token, size);
      case 'delete_file': {
        if (!file) return upload(mine, token, size);
        mine.files = mine.files.filter((other) => other !== file);
        await simple(kind, 'DELETE', `/api/files/${file.id}`, { token }, file.id);
        return;
      }
      case 'logout': {
        await simple(kind, 'POST', '/api/auth/logout', { token });
        mine.token = undefined;
        return;
      }
      case 'delete_account': {
        const { result } = await simple(kind, 'DELETE', '/api/users/me', {
          token,
          json: { password: mine.passwords[0] },
        });
        if (result !== 'refused') account = undefined;
        return;
      }
      case 'login_fail':
        return void (await simple(kind, 'POST', '/api/users/login', {
          json: { email: mine.email, password: 'not the password' },
        }));
      case 'register_taken':
        return void (await simple(kind, 'POST', '/api/users/register', {
          json: { email: mine.email, password: 'whatever it is' },
        }));
      case 'read_trail':
        return void (await simple(kind, 'GET', '/api/audit/logs?limit=20', { token }));
      default:
        return void (await simple('update', 'PATCH', '/api/users/me', {
          token,
          json: { name: fresh('name') },
        }));
    }
  }

  for (const action of plan) {
    await sleep(action.pauseMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    if (!account) await register();
    else if (account.token === undefined) await login(account);
    else await act(action, account, account.token);
  }
}

function codeOf(text: string): string | null {
  try {
    return (JSON.parse(text) as { code?: string }).code ?? null;
  } catch {
    return null;
  }
}
