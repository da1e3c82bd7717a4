import type { Mutant } from './mutant.ts';

const BODIES = 'packages/server/src/http/body-parsing.ts';
const PROBLEM = 'packages/server/src/http/problem.ts';
const PATHS = 'packages/server/src/http/known-paths.ts';
const HEADERS = 'packages/server/src/http/security-headers.ts';
const FAULTS = 'packages/server/src/http/validation-faults.ts';
const SOCKET = 'services/user/web-socket/open-socket.ts';
const BODIES_TEST = 'packages/server/test/http/body-parsing.test.ts';
const PROBLEM_TEST = 'packages/server/test/http/problem.test.ts';
const PATHS_TEST = 'packages/server/test/http/known-paths.test.ts';
const HEADERS_TEST = 'packages/server/test/http/security-headers.test.ts';
const SESSIONS_TEST = 'services/user/test/sessions/manners.test.ts';
const HANDSHAKE_TEST = 'services/user/test/web-socket/handshake.test.ts';

/** What the services say by HTTP beside their data: bodies of no bytes, challenges, Allow, words. */
export const MANNERS_MUTANTS: Mutant[] = [
  {
    name: 'empty-json-refused',
    file: BODIES,
    find: '    dropTypeOfNothing(request);\n',
    replace: `    const { 'content-type': type, 'content-length': length = '0' } = request.headers;
    if (type === 'application/json' && length === '0') return done(new MalformedJson());
`,
    tests: [SESSIONS_TEST],
  },
  {
    name: 'malformed-type-of-nothing-refused',
    file: BODIES,
    find: '    dropTypeOfNothing(request);\n',
    replace: '',
    tests: [BODIES_TEST],
  },
  {
    name: 'empty-chunks-parsed-as-json',
    file: BODIES,
    find: '    if (bytes.length === 0) return done(null);\n',
    replace: '',
    tests: [BODIES_TEST],
  },
  {
    name: 'empty-chunks-of-another-type-refused',
    file: BODIES,
    find: 'if (body.length === 0) done(null);\n    else done(',
    replace: 'done(',
    tests: [BODIES_TEST],
  },
  {
    name: 'login-refused-without-a-challenge',
    file: PROBLEM,
    find: `  if (problem.status === 401 && !reply.hasHeader('www-authenticate'))
    reply.header('www-authenticate', BEARER_CHALLENGE);
`,
    replace: '',
    tests: [SESSIONS_TEST],
  },
  {
    name: 'challenge-without-its-error',
    file: PROBLEM,
    find: "problem.status === 401 && !reply.hasHeader('www-authenticate')",
    replace: 'problem.status === 401',
    tests: ['packages/server/test/operations/metrics.test.ts'],
  },
  {
    name: 'known-path-not-found',
    file: PATHS,
    find: 'if (methods.size === 0) return new NotFound();',
    replace: 'if (methods.size >= 0) return new NotFound();',
    tests: [PATHS_TEST],
  },
  {
    name: 'method-refused-without-allow',
    file: PATHS,
    find: 'Object.assign(new MethodNotAllowed(request.method, allow), { headers: { allow } })',
    replace: 'new MethodNotAllowed(request.method, allow)',
    tests: [PATHS_TEST],
  },
  {
    name: 'path-compared-undecoded',
    file: PATHS,
    find: 'return decodeURI(path);',
    replace: 'return path;',
    tests: [PATHS_TEST],
  },
  {
    name: 'dot-of-a-path-matches-all',
    file: PATHS,
    find: 'url.replace(/[.+?^${}()|[\\]\\\\]/g, String.raw`\\$&`)',
    replace: 'url',
    tests: [PATHS_TEST],
  },
  {
    name: 'preflight-makes-each-path-known',
    file: PATHS,
    find: "if (name !== 'OPTIONS') known.methods.add(name);",
    replace: 'known.methods.add(name);',
    tests: [HEADERS_TEST],
  },
  {
    name: 'options-answered-by-a-text',
    file: HEADERS,
    find: "if (request.method === 'OPTIONS' && !isPreflight(request)) done(refusalOf(request));\n    else done();",
    replace: 'done();',
    tests: [HEADERS_TEST],
  },
  {
    name: 'body-read-before-the-method-is-refused',
    file: HEADERS,
    find: "void app.addHook('onRequest', (request, _reply, done) => {\n      if (request.is404)",
    replace:
      "void app.addHook('preHandler', (request, _reply, done) => {\n      if (request.is404)",
    tests: [PATHS_TEST],
  },
  {
    name: 'name-of-a-download-not-exposed',
    file: HEADERS,
    find: "  'Content-Disposition',\n",
    replace: '',
    tests: [HEADERS_TEST],
  },
  {
    name: 'old-name-after-a-304',
    file: 'services/file/downloads/send-file.ts',
    find: `          ...validatorHeaders(file),
          'content-disposition': contentDisposition(file.name),
`,
    replace: '          ...validatorHeaders(file),\n',
    tests: ['services/file/test/downloads/download-file.test.ts'],
  },
  {
    name: 'end-of-an-empty-file-unsatisfiable',
    file: 'services/file/object-store/byte-range.ts',
    find: 'if (size === 0) return undefined;',
    replace: "if (size === 0) return 'unsatisfiable';",
    tests: ['services/file/test/object-store/byte-range.test.ts'],
  },
  {
    name: 'upload-silence-longer-than-the-gateways',
    file: 'services/file/config.ts',
    find: `    minimum: 10,
    default: 10_000,`,
    replace: `    minimum: 10,
    default: 30_000,`,
    tests: ['services/file/test/config.test.ts'],
  },
  {
    name: 'handshake-refused-by-html',
    file: SOCKET,
    find: '  answerHandshakeErrors(app, context, handshakes);\n',
    replace: '',
    tests: [HANDSHAKE_TEST],
  },
  {
    name: 'handshake-refused-under-another-id',
    file: SOCKET,
    find: '        handshakes.set(request.raw, request);\n',
    replace: '',
    tests: [HANDSHAKE_TEST],
  },
  {
    name: 'refused-upgrade-stays-open',
    file: 'packages/server/src/http/create-app.ts',
    find: '    if (isUpgrade(request.raw)) request.raw.socket.end();\n',
    replace: '',
    tests: [HANDSHAKE_TEST],
  },
  {
    name: 'media-type-refused-without-a-word',
    file: PROBLEM,
    find: "error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE'",
    replace: "error.code === 'FST_ERR_CTP_INVALID_MEDIA'",
    tests: [PROBLEM_TEST],
  },
  {
    name: 'constant-without-its-value',
    file: FAULTS,
    find: "if (keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`;",
    replace: '',
    tests: [PROBLEM_TEST],
  },
  {
    name: 'enum-without-its-values',
    file: FAULTS,
    find: "return `must be one of ${values.join(', ')}`;",
    replace: "return message ?? `must be one of ${values.join(', ')}`;",
    tests: [PROBLEM_TEST],
  },
  {
    name: 'union-refused-member-by-member',
    file: FAULTS,
    find: 'return mergeUnions(errors).map((error) => {',
    replace: 'return errors.map((error) => {',
    tests: [SESSIONS_TEST],
  },
  {
    name: 'missing-origin-not-named',
    file: 'packages/security/src/errors.ts',
    find: "'The Origin header is missing or names no allowed page. ' +",
    replace: "'This page may not do that. ' +",
    tests: ['services/user/test/seed-004/seed-004.test.ts'],
  },
];
