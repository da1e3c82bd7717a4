import type { JsonObject } from '../json.ts';

/** What the document says besides its routes. */
export const INFO: JsonObject = {
  title: 'Muniment',
  version: '0.1.0',
  summary: 'Who are you, keep my files, prove what happened.',
  description: [
    'Users, files and an audit trail that anyone can verify.',
    'JSON has `snake_case` names. Times are ISO 8601 in UTC, ids are UUIDs (version 7). ' +
      'An unknown field in a body or a query is an error.',
    'Errors are problems (RFC 9457) with a stable `code`. ' +
      'A 429 or 503 says in `Retry-After` when to try again.',
    'Each POST takes an `Idempotency-Key`: a repeated request gets the first answer again.',
    'To try requests on this page, create an account by `POST /api/users/register`, or log in by ' +
      '`POST /api/users/login`. Copy the `token` of the answer, press **Authorize**, and paste it ' +
      'under `bearer`. It is valid for 15 minutes.',
    'WebSocket and event stream are in [the AsyncAPI document](/api/docs/async).',
  ].join('\n\n'),
  license: { name: 'MIT', identifier: 'MIT' },
};

export const SECURITY_SCHEMES: JsonObject = {
  login_info: {
    type: 'apiKey',
    in: 'cookie',
    name: 'login_info',
    description: 'Set by a sign-in with `?session=cookie`, as `__Host-login_info` over TLS.',
  },
  secure: {
    type: 'apiKey',
    in: 'cookie',
    name: 'secure',
    description: 'The other half of the token; scripts cannot read it.',
  },
  api_token: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'mun_…',
    description: 'An API token, see `POST /api/auth/tokens`. It holds the scopes named here.',
  },
  viewer_token: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'mvt_…',
    description: 'Reads the trail of one tenant, see `POST /api/audit/viewer-tokens`.',
  },
  // The last: Swagger UI's dialog opens with the focus on its last field.
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'The `token` of a sign-up, a sign-in or a refresh.',
  },
};

const header = (name: string, description: string, maxLength?: number): JsonObject => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string', ...(maxLength !== undefined && { maxLength }) },
});

export const PARAMETERS: JsonObject = {
  'Idempotency-Key': header(
    'Idempotency-Key',
    'A repeated request with the same key gets the first answer again.',
    255,
  ),
  'If-Match': header('If-Match', 'The ETag that the resource must still have; else 412.'),
  'If-None-Match': header('If-None-Match', 'The ETag that the client has; 304 if it is current.'),
  Range: header('Range', 'The wanted bytes, as `bytes=0-1023`.'),
};

export const RESPONSES: JsonObject = {
  NotModified: {
    description: 'The client has the current answer.',
    headers: { 'X-Request-Id': { $ref: '#/components/headers/X-Request-Id' } },
  },
  Problem: {
    description: 'A problem that any request may get, of the gateway too.',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  },
};

/**
 * By tag, which is the folder of a feature, in the order of the document. A new feature needs a
 * sentence here.
 */
export const TAGS: Readonly<Record<string, string>> = {
  'sign-in': 'Registration and login.',
  account: "The caller's own account.",
  'vendor-profiles': 'Companies of vendors: one profile each, for every signed-in user to find.',
  uploads: 'New files.',
  downloads: 'The bytes of files.',
  files: 'What is known of files.',
  sessions: 'Where a user is signed in.',
  passwords: 'Changed and forgotten passwords.',
  'api-tokens': 'API tokens, service accounts and introspection.',
  directory: 'Users, for administrators.',
  import: 'Users of other systems, with their passwords.',
  'profile-files': 'Logos and certificates of vendors.',
  trail: 'The entries of the audit trail.',
  live: 'The trail as it grows.',
  export: 'The trail as a file.',
  proofs: 'Signed checkpoints and Merkle proofs of the trail.',
  completeness: 'Whether the trail has every event.',
  quarantine: 'Records of the stream that could not be read.',
  'app-events': "A customer's own events.",
  'viewer-tokens': "Tokens by which a customer's customer reads its part of the trail.",
  webhooks: 'Deliveries of events to other systems.',
  erasure: 'The end of personal values.',
  'signing-keys': 'The public keys of access tokens.',
  'web-socket': 'The WebSocket.',
  health: 'Whether the product answers.',
  'seed-004': 'Paths and shapes of an older interface.',
};

export const PROBLEM_SCHEMA: JsonObject = {
  type: 'object',
  description: 'An error (RFC 9457). `code` is stable; `detail` is for people.',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string' },
    code: { type: 'string', pattern: '^[a-z][a-z0-9_]*$' },
    request_id: { type: 'string', description: 'Also in X-Request-Id, the logs and the trail.' },
    errors: {
      type: 'array',
      description: 'The faults of a request that does not fit its schema.',
      items: {
        type: 'object',
        required: ['pointer', 'message'],
        properties: {
          pointer: { type: 'string', description: 'A JSON Pointer into the body or the request.' },
          message: { type: 'string' },
        },
      },
    },
  },
};
