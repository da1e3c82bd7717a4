import { test, type Test } from 'tap';
import { checkHistory } from './check-history.ts';
import { checkSent } from './check-sent.ts';
import type { TrailEvent } from './violations.ts';
import type { Operation } from '../history.ts';

const ALICE = '0198a000-0000-7000-8000-00000000000a';
const FILE = '0198a000-0000-7000-8000-0000000000f1';

const acknowledged = (number: number, change: Partial<Operation>): Operation => ({
  client: 0,
  number,
  kind: 'update',
  traceparent: `trace-${number}`,
  account: ALICE,
  file: null,
  invokedAt: number * 10,
  completedAt: number * 10 + 5,
  result: 'ok',
  status: 200,
  code: null,
  requestId: `request-${number}`,
  replayed: false,
  note: null,
  ...change,
});
const recorded = (number: number, change: Partial<TrailEvent> = {}): TrailEvent => ({
  id: `event-${number}`,
  source: 'user',
  lane: 3,
  seq: number,
  index: number,
  action: 'USER_UPDATED',
  outcome: 'success',
  user_id: ALICE,
  resource: ALICE,
  request_id: `request-${number}`,
  traceparent: `trace-${number}`,
  caller_id: null,
  ...change,
});
const erased = recorded(4, {
  source: 'audit',
  action: 'SUBJECT_ERASED',
  user_id: null,
  traceparent: null,
  request_id: `erasure-${ALICE}`,
});
const upload = acknowledged(1, { kind: 'upload', status: 201, file: FILE });
const uploaded = recorded(1, { source: 'file', action: 'FILE_UPLOAD', resource: FILE });

function finds(
  t: Test,
  operations: Operation[],
  events: TrailEvent[],
  kinds: string[],
  name: string,
): void {
  t.strictSame(
    checkHistory(operations, events).map(({ kind }) => kind),
    kinds,
    name,
  );
}

test('a trail that matches the history passes', async (t) => {
  finds(
    t,
    [acknowledged(1, {}), acknowledged(2, {})],
    [recorded(1), recorded(2)],
    [],
    'two changes',
  );
  finds(
    t,
    [acknowledged(1, { result: 'unknown', status: 0 })],
    [recorded(1)],
    [],
    'a lost answer, done',
  );
  finds(
    t,
    [acknowledged(1, { ...upload, replayed: true, requestId: 'request-of-the-retry' })],
    [uploaded],
    [],
    'a lost answer, given again under its key',
  );
  finds(
    t,
    [acknowledged(1, { result: 'unknown', status: 503 })],
    [],
    [],
    'a lost answer, not done',
  );
  finds(
    t,
    [acknowledged(1, { result: 'refused', status: 404, code: 'file_not_found', kind: 'download' })],
    [],
    [],
    'a refusal',
  );
  finds(
    t,
    [
      acknowledged(1, {
        result: 'refused',
        status: 401,
        code: 'invalid_credentials',
        kind: 'login_fail',
      }),
    ],
    [recorded(1, { action: 'LOGIN_FAIL', outcome: 'failure' })],
    [],
    'a failed login',
  );
  finds(
    t,
    [upload, acknowledged(2, { kind: 'delete_account', status: 204 })],
    [
      uploaded,
      recorded(2, { action: 'USER_DELETED' }),
      recorded(3, {
        source: 'file',
        action: 'FILE_DELETE',
        resource: FILE,
        traceparent: null,
        request_id: `erasure-${ALICE}`,
      }),
      erased,
    ],
    [],
    'an account that took its file along',
  );
  finds(
    t,
    [acknowledged(1, {}), acknowledged(2, { result: 'unknown' }), acknowledged(3, {})],
    [recorded(1), recorded(2, { seq: 9, index: 9 }), recorded(3)],
    [],
    'what was not answered may happen late',
  );
});

test('each fault of a trail is found by its kind', async (t) => {
  finds(
    t,
    [acknowledged(1, { ...upload, replayed: true })],
    [uploaded, recorded(2, { ...uploaded, id: 'event-2', seq: 2, index: 2 })],
    ['doubled'],
    'a retry that acted again under its key',
  );
  finds(t, [acknowledged(1, {})], [], ['lost'], 'an acknowledged change without event');
  finds(
    t,
    [
      acknowledged(1, {
        result: 'refused',
        status: 401,
        code: 'invalid_credentials',
        kind: 'login_fail',
      }),
    ],
    [],
    ['lost'],
    'a failed login without event',
  );
  finds(
    t,
    [upload, acknowledged(2, { kind: 'delete_account', status: 204 })],
    [uploaded, recorded(2, { action: 'USER_DELETED' }), erased],
    ['lost'],
    'a file that went with its account in silence',
  );
  finds(
    t,
    [acknowledged(1, { kind: 'delete_account', status: 204 })],
    [recorded(1, { action: 'USER_DELETED' })],
    ['lost'],
    'an erasure that nobody wrote down',
  );
  finds(
    t,
    [acknowledged(1, { kind: 'delete_account', status: 204 })],
    [recorded(1, { action: 'USER_DELETED' }), erased, { ...erased, id: 'event-5' }],
    ['doubled'],
    'an erasure that was written down twice',
  );
  finds(
    t,
    [acknowledged(1, {})],
    [recorded(1), recorded(2, { traceparent: 'trace-1', request_id: 'request-1' })],
    ['doubled'],
    'one change, two events',
  );
  finds(
    t,
    [acknowledged(1, { result: 'unknown' })],
    [recorded(1), recorded(2, { traceparent: 'trace-1' })],
    ['doubled'],
    'a lost answer, done twice',
  );
  finds(
    t,
    [upload],
    [
      uploaded,
      ...[2, 3].map((seq) =>
        recorded(seq, {
          source: 'file',
          action: 'FILE_DELETE',
          resource: FILE,
          traceparent: null,
          request_id: `erasure-${ALICE}`,
        }),
      ),
    ],
    ['doubled', 'unexplained', 'unexplained'],
    'a file deleted twice, of an account that lives',
  );
  finds(t, [], [recorded(1)], ['unexplained'], 'an event that nobody caused');
  finds(
    t,
    [acknowledged(1, { result: 'refused', status: 404, kind: 'delete_file' })],
    [recorded(1, { action: 'FILE_DELETE', source: 'file' })],
    ['unexplained', 'unexplained'],
    'a refusal that was recorded as done',
  );
  finds(
    t,
    [acknowledged(1, {})],
    [recorded(1, { action: 'LOGOUT' })],
    ['mismatch'],
    'another action',
  );
  finds(
    t,
    [acknowledged(1, {})],
    [recorded(1, { request_id: 'request-7' })],
    ['mismatch'],
    'another request id',
  );
  finds(
    t,
    [acknowledged(1, {}), acknowledged(2, {})],
    [recorded(1, { seq: 2 }), recorded(2, { seq: 1 })],
    ['order'],
    'numbers the wrong way round',
  );
  finds(
    t,
    [acknowledged(1, {}), acknowledged(2, {})],
    [recorded(1, { index: 8 }), recorded(2, { index: 7 })],
    ['order'],
    'leaves the wrong way round',
  );
  finds(
    t,
    [acknowledged(1, {}), acknowledged(2, {})],
    [recorded(1), recorded(2, { lane: 4 })],
    ['order'],
    'two lanes of one subject',
  );
  finds(
    t,
    [acknowledged(1, { kind: 'download', status: 200, note: 'other bytes than were uploaded' })],
    [recorded(1, { action: 'FILE_DOWNLOAD' })],
    ['corrupt'],
    'other bytes',
  );
  finds(
    t,
    [acknowledged(1, { result: 'unknown', status: 500, code: 'internal_error' })],
    [],
    ['failed'],
    'an answer that our code failed',
  );
});

test("a customer's events exist once, under their acknowledged id and in order", async (t) => {
  const sent = (number: number, eventId: string | null = `event-${number}`) => ({
    callerId: `c-${number}`,
    subject: 'buyer',
    eventId,
    sentAt: number,
  });
  const kept = (number: number, change: Partial<TrailEvent> = {}) =>
    recorded(number, { source: 'app', caller_id: `c-${number}`, ...change });
  const kinds = (...given: Parameters<typeof checkSent>): string[] =>
    checkSent(...given).map(({ kind }) => kind);
  t.strictSame(kinds([sent(1), sent(2, null), sent(3)], [kept(1), kept(3)]), []);
  t.strictSame(kinds([sent(1, null)], [kept(1)]), [], 'recorded, and the answer lost');
  t.strictSame(kinds([sent(1)], []), ['lost']);
  t.strictSame(kinds([sent(1)], [kept(1), kept(2, { caller_id: 'c-1' })]), ['doubled']);
  t.strictSame(kinds([sent(1, 'event-9')], [kept(1)]), ['mismatch']);
  t.strictSame(kinds([sent(1), sent(2)], [kept(1, { seq: 7 }), kept(2)]), ['order']);
  t.strictSame(kinds([], [kept(1)]), ['unexplained']);
  t.strictSame(checkHistory([], [kept(1)]), [], 'and no action of a user');
});
