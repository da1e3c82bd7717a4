import { createHash } from 'node:crypto';
import { createRandom, type Random } from './random.ts';

export type ActionKind =
  | 'register'
  | 'register_taken'
  | 'login'
  | 'login_fail'
  | 'refresh'
  | 'logout'
  | 'password'
  | 'delete_account'
  | 'update'
  | 'upload'
  | 'download'
  | 'delete_file'
  | 'read_trail'
  | 'own_events';

export interface PlannedAction {
  kind: ActionKind;
  /** Pause before the action. */
  pauseMs: number;
  /** Bytes of an upload. */
  size: number;
  /** Chooses among the files of the account, from 0 up to 1. */
  choice: number;
}

// Relative frequencies.
const WEIGHTS: Partial<Record<ActionKind, number>> = {
  update: 24,
  upload: 20,
  download: 20,
  delete_file: 11,
  read_trail: 6,
  login: 5,
  login_fail: 4,
  refresh: 4,
  register_taken: 2,
  logout: 3,
  password: 2,
  delete_account: 2,
};
const deck = Object.entries(WEIGHTS).flatMap(([kind, weight]) =>
  Array.from({ length: weight }, () => kind as ActionKind),
);

const LARGE_BYTES = 6 * 1024 ** 2;

function nextAction(random: Random): PlannedAction {
  const kind = random.pick(deck);
  const pauseMs = random.integer(5, 60);
  // One in forty needs several parts of a multipart upload.
  const size = random.next() < 0.025 ? LARGE_BYTES : random.integer(1, 20_000);
  return { kind, pauseMs, size, choice: random.next() };
}

/** Plans a client's endless actions from the seed alone. The client replaces impossible ones. */
export function* planActions(seed: number, client: number): Generator<PlannedAction, never> {
  const random = createRandom(`${seed}/client/${client}`);
  for (;;) yield nextAction(random);
}

/** The W3C traceparent of a client's n-th request. It links the event to the request. */
export function traceparentOf(seed: number, client: number, number: number): string {
  const digest = createHash('sha256').update(`${seed}/${client}/${number}`).digest('hex');
  return `00-${digest.slice(0, 32)}-${digest.slice(32, 48)}-01`;
}
