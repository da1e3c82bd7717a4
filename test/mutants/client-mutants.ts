import type { Mutant } from './mutant.ts';

const SESSION = 'packages/api-client/src/session/session.ts';
const RETRY = 'packages/api-client/src/core/retry.ts';
const WAITING = 'packages/api-client/src/core/waiting.ts';
const PLAN = 'packages/api-client/src/core/plan-request.ts';
const SEND = 'packages/api-client/src/core/send-request.ts';
const PAGES = 'packages/api-client/src/pages/iterate-pages.ts';
const PARSER = 'packages/api-client/src/stream/parse-events.ts';
const FOLLOW = 'packages/api-client/src/stream/follow-events.ts';
const MULTIPART = 'packages/api-client/src/uploads/multipart.ts';
const SESSION_TEST = 'test/e2e/api-client/session.test.ts';
const RETRY_TEST = 'test/e2e/api-client/retry.test.ts';
const PAGES_TEST = 'test/e2e/api-client/pages.test.ts';
const STREAM_TEST = 'test/e2e/api-client/stream.test.ts';
const UPLOAD_TEST = 'test/e2e/api-client/upload.test.ts';

/** What a naive client does. */
export const CLIENT_MUTANTS: Mutant[] = [
  {
    name: 'client-each-caller-refreshes',
    file: SESSION,
    find: 'state.refreshing ??= refresh(',
    replace: 'state.refreshing = refresh(',
    tests: [SESSION_TEST],
  },
  {
    name: 'client-late-refusal-refreshes-again',
    file: SESSION,
    find: '  if ((used as SessionGrant).tokens !== tokens) return true;\n',
    replace: '',
    tests: [SESSION_TEST],
  },
  {
    name: 'client-failed-refresh-fails-calls',
    file: SESSION,
    find: 'left > 0 ? done.catch(() => undefined) : done',
    replace: 'done',
    tests: [SESSION_TEST],
  },
  {
    name: 'client-retry-after-ignored',
    file: RETRY,
    find: 'if (wanted === undefined) return',
    replace: 'return',
    tests: [RETRY_TEST],
  },
  {
    name: 'client-callers-come-back-as-one',
    file: RETRY,
    find: 'return wanted + Math.random() * Math.max(policy.baseDelayMs, wanted * JITTER);',
    replace: 'return wanted + JITTER;',
    tests: [RETRY_TEST],
  },
  {
    name: 'client-repeats-any-method',
    file: RETRY,
    find: 'isUncertain(failure) && (request.isKeyed || IDEMPOTENT.has(request.method))',
    replace: 'isUncertain(failure)',
    tests: [RETRY_TEST],
  },
  {
    name: 'client-sends-no-key',
    file: PLAN,
    find: '(route.isKeyed ? createKey() : undefined)',
    replace: 'undefined',
    tests: [RETRY_TEST],
  },
  {
    name: 'client-pause-outlasts-its-caller',
    file: WAITING,
    find: 'await untilAborted(signal, passed);',
    replace: 'await passed;',
    tests: [RETRY_TEST],
  },
  {
    name: 'client-cut-body-is-an-answer',
    file: SEND,
    find: "if (kind === 'json') return response.json();",
    replace: "if (kind === 'json') return response.json().catch(() => ({}));",
    tests: [RETRY_TEST],
  },
  {
    name: 'client-link-not-followed',
    file: PAGES,
    find: "return parseNextLink(headers.get('link'));",
    replace: 'return undefined;',
    tests: [PAGES_TEST],
  },
  {
    name: 'client-resumes-behind-half-an-event',
    file: PARSER,
    find: 'lastEventId: () => seen.wholeId,',
    replace: 'lastEventId: () => seen.id,',
    tests: [STREAM_TEST],
  },
  {
    name: 'client-resumes-where-it-began',
    file: FOLLOW,
    find: 'const body = await open(lastEventId);',
    replace: 'const body = await open(options.lastEventId);',
    tests: [STREAM_TEST],
  },
  {
    name: 'client-progress-of-what-was-read',
    file: MULTIPART,
    find: '{ highWaterMark: 0 }',
    replace: '{ highWaterMark: Infinity }',
    tests: [UPLOAD_TEST],
  },
];
