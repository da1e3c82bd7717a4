import type { Mutant } from './mutant.ts';

const NGINX = 'nginx/nginx.conf.template';
const PROXY = 'packages/server/src/http/trusted-proxy.ts';
const SECRET = 'packages/security/src/keys/shared-secret.ts';
const METRICS = 'packages/server/src/operations/metrics.ts';
const CORS_TEST = 'packages/cluster/test/nginx/cors.test.ts';
const UPGRADE_TEST = 'packages/cluster/test/nginx/upgrade.test.ts';
const ROUTING_TEST = 'packages/cluster/test/nginx/routing.test.ts';
const HEADERS_TEST = 'packages/cluster/test/nginx/headers.test.ts';
const PROBLEMS_TEST = 'packages/cluster/test/nginx/problems.test.ts';
const VANISHED_TEST = 'packages/cluster/test/nginx/vanished-replica.test.ts';
const DOWNLOAD_TEST = 'packages/cluster/test/nginx/download.test.ts';
const PROXY_TEST = 'packages/server/test/http/trusted-proxy.test.ts';
const SECRET_TEST = 'packages/security/test/keys/shared-secret.test.ts';
const METRICS_TEST = 'packages/server/test/operations/metrics.test.ts';
const KINESIS_TEST = 'packages/cluster/test/kinesis/start-kinesis.test.ts';
const MAIL_TEST = 'packages/cluster/test/mail/start-mail-catcher.test.ts';

/** The gateway's own answers, and how services, Kinesis and mails know who asks. */
export const GATEWAY_MUTANTS: Mutant[] = [
  {
    name: 'web-socket-over-http2-passed-on',
    file: NGINX,
    find: '    "GET /ws " 1;\n',
    replace: '',
    tests: [UPGRADE_TEST],
  },
  {
    name: 'upgrade-of-http2-passed-on',
    file: NGINX,
    find: String.raw`"~*^GET HTTP/1\.1 /ws websocket$" websocket;`,
    replace: '"~*^GET HTTP/[0-9.]+ /ws websocket$" websocket;',
    tests: [UPGRADE_TEST],
  },
  {
    name: 'upgrade-offered-over-http2',
    file: NGINX,
    find: '"/_problem/426 HTTP/1.1" websocket;',
    replace: '"~^/_problem/426 " websocket;',
    tests: [UPGRADE_TEST],
  },
  {
    name: 'post-upgrades',
    file: NGINX,
    find: String.raw`"~*^GET HTTP/1\.1 /ws websocket$" websocket;`,
    replace: String.raw`"~*^[A-Z]+ HTTP/1\.1 /ws websocket$" websocket;`,
    tests: [UPGRADE_TEST],
  },
  {
    name: 'own-problem-unreadable-to-pages',
    file: NGINX,
    find: '    "~^ /_problem/" $known_origin;\n',
    replace: '',
    tests: [CORS_TEST],
  },
  {
    name: 'every-origin-is-known',
    file: NGINX,
    find: '${CORS_ORIGINS}\n    default "";',
    replace: '${CORS_ORIGINS}\n    default $http_origin;',
    tests: [CORS_TEST],
  },
  {
    name: 'preflight-needs-a-service',
    file: NGINX,
    find: '    if ($preflight) { return 204; }\n',
    replace: '',
    tests: [CORS_TEST],
  },
  {
    name: 'cached-for-another-origin',
    file: NGINX,
    find: '    "~^ [^ ]+ /" Origin;\n',
    replace: '',
    tests: [CORS_TEST],
  },
  {
    name: 'allow-not-exposed-by-the-gateway',
    file: NGINX,
    find: 'default "Accept-Ranges, Allow, ',
    replace: 'default "Accept-Ranges, ',
    tests: ['packages/server/test/http/security-headers.test.ts'],
  },
  {
    name: 'gateway-refuses-a-method-without-allow',
    file: NGINX,
    find: '    "~^/_problem/405 " "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS";\n',
    replace: '',
    tests: [PROBLEMS_TEST],
  },
  {
    name: 'page-refuses-a-method-without-allow',
    file: NGINX,
    find: '    "~^/_problem/405 /+(reset-password|confirm-email|pages/.*|docs/.*|api/docs(/async)?|api/(open|async)api\\.(json|yaml))?$" "GET, HEAD";\n',
    replace: '',
    tests: ['packages/cluster/test/nginx/pages.test.ts'],
  },
  {
    name: 'bare-path-decoded',
    file: NGINX,
    find: '/api$request_uri;',
    replace: '/api$uri;',
    tests: [ROUTING_TEST],
  },
  {
    name: 'bare-path-lost-by-a-change',
    file: NGINX,
    find: 'proxy_pass http://$service$bare_path; # without',
    replace: 'proxy_pass http://$service; # without',
    tests: [ROUTING_TEST],
  },
  {
    name: 'problem-logged-as-a-get',
    file: NGINX,
    find: '"method":"$logged_method"',
    replace: '"method":"$request_method"',
    tests: [HEADERS_TEST],
  },
  {
    name: 'upload-to-a-vanished-replica-lost',
    file: NGINX,
    find: `      client_max_body_size \${UPLOAD_MAX_BODY};
      proxy_request_buffering off;
      proxy_next_upstream error timeout;`,
    replace: `      client_max_body_size \${UPLOAD_MAX_BODY};
      proxy_request_buffering off;
      proxy_next_upstream error;`,
    tests: [VANISHED_TEST],
  },
  {
    name: 'silence-not-begun-anew',
    file: NGINX,
    find: '    error_page 502 504 = @unanswered;\n',
    replace: '    error_page 502 = @unanswered;\n    error_page 504 /_problem/504;\n',
    tests: [VANISHED_TEST],
  },
  {
    name: 'upstream-kept-longer-than-a-stop',
    file: NGINX,
    find: `\${USER_SERVERS}
    keepalive 64;
    keepalive_requests 100000;
    keepalive_timeout 500ms;`,
    replace: `\${USER_SERVERS}
    keepalive 64;
    keepalive_requests 100000;
    keepalive_timeout 60s;`,
    tests: ['packages/cluster/test/nginx/idle-upstreams.test.ts'],
  },
  {
    name: 'secret-of-the-client-passed-on',
    file: NGINX,
    find: '  proxy_set_header X-Gateway-Secret "${GATEWAY_SECRET}";\n',
    replace: '',
    tests: [HEADERS_TEST],
  },
  {
    name: 'secret-sent-to-the-storage',
    file: NGINX,
    find: '      proxy_set_header Range $file_range;\n',
    replace:
      '      proxy_set_header Range $file_range;\n' +
      '      proxy_set_header X-Gateway-Secret "${GATEWAY_SECRET}";\n',
    tests: [DOWNLOAD_TEST],
  },
  {
    name: 'secret-not-compared',
    file: PROXY,
    find: "if (!isGateway || !trusts(socket.remoteAddress ?? ''))",
    replace: "if (!trusts(socket.remoteAddress ?? ''))",
    tests: [PROXY_TEST],
  },
  {
    name: 'address-not-compared',
    file: PROXY,
    find: "if (!isGateway || !trusts(socket.remoteAddress ?? ''))",
    replace: 'if (!isGateway)',
    tests: [PROXY_TEST],
  },
  {
    name: 'start-time-believed',
    file: PROXY,
    find: "  'x-request-start',\n",
    replace: '',
    tests: [PROXY_TEST],
  },
  {
    name: 'secret-shown-to-handlers',
    file: PROXY,
    find: '      headers[GATEWAY_HEADER] = undefined;\n',
    replace: '',
    tests: [PROXY_TEST],
  },
  {
    name: 'secret-absent-means-all',
    file: 'packages/server/src/create-server.ts',
    find: 'await loadSharedSecret(config.GATEWAY_SECRET_FILE);',
    replace:
      'await loadSharedSecret(config.GATEWAY_SECRET_FILE).catch(() => ({ matches: () => true }));',
    tests: ['packages/server/test/create-server.test.ts'],
  },
  {
    name: 'empty-secret-accepted',
    file: SECRET,
    find: '[A-Za-z0-9_-]{43,128}$/',
    replace: '[A-Za-z0-9_-]{0,128}$/',
    tests: [SECRET_TEST],
  },
  {
    name: 'beginning-of-the-secret-accepted',
    file: SECRET,
    find: 'value.length === offered.length && timingSafeEqual(value, offered)',
    replace: 'timingSafeEqual(value.subarray(0, offered.length), offered)',
    tests: [SECRET_TEST],
  },
  {
    name: 'rotated-secret-refused',
    file: SECRET,
    find: 'values.map((value) => equal(value, bytes)).includes(true)',
    replace: 'values.slice(0, 1).some((value) => equal(value, bytes))',
    tests: [PROXY_TEST],
  },
  {
    name: 'metrics-open',
    file: METRICS,
    find: ', onRequest: requireToken(source) }',
    replace: ' }',
    tests: [METRICS_TEST],
  },
  {
    name: 'metrics-open-without-a-token-file',
    file: METRICS,
    find: 'if (!token?.matches(offered))',
    replace: 'if (token && !token.matches(offered))',
    tests: [METRICS_TEST],
  },
  {
    name: 'kinesis-open',
    file: 'packages/cluster/src/kinesis/start-kinesis.ts',
    find: 'options.credentials && findRefusal(request, options.credentials)',
    replace: 'options.credentials && undefined',
    tests: [KINESIS_TEST],
  },
  {
    name: 'kinesis-signature-not-verified',
    file: 'packages/cluster/src/kinesis/find-refusal.ts',
    find: "    authorize(request, owner, { now: Date.now(), service: 'kinesis' });\n",
    replace: '    void request;\n',
    tests: [KINESIS_TEST],
  },
  {
    name: 'mail-page-open',
    file: 'packages/cluster/src/mail/mail-page.ts',
    find: 'if (credentials && !isMailUser(credentials, parseBasic(request.headers.authorization))) {',
    replace: 'if (credentials && request.headers.authorization === undefined) {',
    tests: [MAIL_TEST],
  },
  {
    name: 'mail-accepted-from-all',
    file: 'packages/cluster/src/mail/start-mail-catcher.ts',
    find: "disabledCommands: credentials ? ['STARTTLS'] : ['AUTH', 'STARTTLS'],",
    replace: "disabledCommands: ['AUTH', 'STARTTLS'],",
    tests: [MAIL_TEST],
  },
  {
    name: 'mail-user-not-compared',
    file: 'packages/cluster/src/mail/credentials.ts',
    find: 'timingSafeEqual(digest(expected.password), digest(password)) && isUser',
    replace: 'timingSafeEqual(digest(expected.password), digest(password)) && isUser !== undefined',
    tests: [MAIL_TEST],
  },
  {
    name: 'other-local-name-unknown-to-the-gateway',
    file: 'packages/cluster/src/fleet/plan/prepare-fleet.ts',
    find: 'allowedOrigins({ settings, ...(certificate && { tlsPort: settings.tlsPort }) })',
    replace: "settings.services.CORS_ORIGINS ?? ''",
    tests: ['packages/cluster/test/up.test.ts'],
  },
  {
    name: 'other-local-name-is-no-page',
    file: 'packages/cluster/src/fleet/plan/replica-processes.ts',
    find: 'LOOPBACK_NAMES.includes(hostname) ? LOOPBACK_NAMES : []',
    replace: 'LOOPBACK_NAMES.includes(hostname) ? [hostname] : []',
    tests: ['packages/cluster/test/fleet/plan/fleet-plan.test.ts'],
  },
];
