import { hostname } from 'node:os';
import envSchema from 'env-schema';
import { Type, type Static, type TObject } from 'typebox';

const milliseconds = (options: { default: number; description: string }) =>
  Type.Integer({ minimum: 0, ...options });

/** Settings of every service. `writeOnly` marks a secret, which is never logged. */
export const serverSettings = {
  HOST: Type.String({ default: '127.0.0.1', description: 'Address to listen on.' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65535, description: 'Port to listen on.' }),
  REPLICA: Type.String({
    default: `${hostname()}-${process.pid}`,
    description:
      'Name of this replica in logs, leases and pg_stat_activity. Each running one has ' +
      'its own.',
  }),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) =>
      Type.Literal(level),
    ),
    { default: 'info', description: 'Lowest severity that is logged.' },
  ),
  TRUSTED_PROXIES: Type.String({
    default: '127.0.0.1/32,::1/128',
    description:
      "The gateway's addresses or CIDR ranges, comma separated. Only it, with the secret of " +
      'GATEWAY_SECRET_FILE, may set X-Forwarded-For, X-Request-Id and X-Request-Start.',
  }),
  GATEWAY_SECRET_FILE: Type.String({
    description:
      'File with the secret that the gateway sends in X-Gateway-Secret, of 43 to 128 letters, ' +
      'digits, - or _. Each line is accepted.',
  }),
  METRICS_TOKEN_FILE: Type.Optional(
    Type.String({
      description:
        'File with the bearer token that Prometheus sends to /metrics, of the same form. Each ' +
        'line is accepted. Absent: nobody reads /metrics.',
    }),
  ),
  CORS_ORIGINS: Type.String({
    default: '',
    description: 'Origins that browsers may call from, comma separated. Empty: none.',
  }),
  PUBLIC_URL: Type.String({
    pattern: '^https?://[^/]+',
    default: 'http://localhost:8080',
    description: "The gateway's URL as clients see it.",
  }),
  COOKIE_HOST_PREFIX: Type.Boolean({
    default: false,
    description:
      'Prefixes session cookies with `__Host-`, so other hosts of the domain cannot set ' +
      'them. The same for all services.',
  }),
  BODY_LIMIT_BYTES: Type.Integer({
    minimum: 1024,
    default: 64 * 1024,
    description: 'Maximum size of a JSON body.',
  }),
  EVENT_LOOP_MAX_DELAY_MS: milliseconds({
    default: 1_000,
    description: 'Event loop delay above which requests are refused with 503 and Retry-After.',
  }),
  SHUTDOWN_TIMEOUT_MS: milliseconds({
    default: 30_000,
    description: 'Maximum time of a shutdown before the process is killed.',
  }),
  SHUTDOWN_DELAY_MS: milliseconds({
    default: 0,
    description:
      'Time between readiness 503 and the end of listening, for balancers that poll ' +
      'readiness.',
  }),
  DATABASE_URL: Type.String({
    pattern: '^postgres(ql)?://',
    writeOnly: true,
    description: "PostgreSQL URL with the service's own role.",
  }),
  DATABASE_DIRECT_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      writeOnly: true,
      description:
        'PostgreSQL URL past any pooler, for the revocation listener. Absent: DATABASE_URL.',
    }),
  ),
  DATABASE_POOL_MAX: Type.Integer({
    minimum: 2,
    maximum: 200,
    default: 10,
    description: 'Maximum connections of this replica, besides the revocation listener.',
  }),
  DATABASE_STATEMENT_TIMEOUT_MS: milliseconds({
    default: 2_000,
    description:
      'Time after which PostgreSQL cancels a statement. The replica drops the ' +
      'connection 500 ms later, so a silent database means 503 within four seconds.',
  }),
  LIMITS: Type.Union([Type.Literal('on'), Type.Literal('off')], {
    default: 'on',
    description: 'Whether attempts and requests are limited. Turn it `off` only for load tests.',
  }),
  LIMIT_RULES: Type.String({
    default: '',
    description:
      'Overrides of the built-in limits, comma separated. `login_account=5/600` allows ' +
      'five attempts at once and five more over 600 seconds. The same for all services.',
  }),
  MASTER_KEY_FILE: Type.String({
    description:
      'File with the master key (32 bytes, base64) that wraps signing keys and subject keys.',
  }),
  JWT_ISSUER: Type.String({
    default: 'muniment',
    description: 'Issuer (iss) that access tokens must name.',
  }),
  JWT_AUDIENCE: Type.String({
    default: 'muniment-api',
    description: 'Audience (aud) that access tokens must name.',
  }),
  AWS_REGION: Type.String({ default: 'us-east-1', description: 'Region of Kinesis and S3.' }),
  AWS_ACCESS_KEY_ID: Type.Optional(
    Type.String({
      writeOnly: true,
      description: "Access key. Absent: the SDK's default credential chain.",
    }),
  ),
  AWS_SECRET_ACCESS_KEY: Type.Optional(
    Type.String({ writeOnly: true, description: 'Secret of the access key.' }),
  ),
  KINESIS_ENDPOINT: Type.Optional(
    Type.String({ description: 'Endpoint of the Kinesis protocol. Absent: AWS itself.' }),
  ),
  KINESIS_STREAM: Type.String({
    default: 'audit-events',
    description: 'Stream of the audit events.',
  }),
  IDEMPOTENCY_TTL_S: Type.Integer({
    minimum: 60,
    maximum: 30 * 86_400,
    default: 86_400,
    description: 'Time for which the answer to a POST is stored under its Idempotency-Key.',
  }),
  RELAY_RESEND_AFTER_MS: milliseconds({
    default: 60_000,
    description: 'Time after which a sent event that is not stored is sent again.',
  }),
};

const serverSchema = Type.Object(serverSettings);
export type ServerConfig = Static<typeof serverSchema>;

/**
 * Reads, checks and freezes a service's settings. An empty variable counts as absent.
 * @throws Error naming a missing or malformed variable, never its value
 */
export function loadConfig<Schema extends TObject>(
  schema: Schema,
  environment: NodeJS.ProcessEnv,
): Readonly<Static<Schema>> {
  const data = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  return Object.freeze(envSchema<Static<Schema>>({ schema, data, env: false, dotenv: false }));
}

/** The gateway's origin and those of CORS_ORIGINS: their pages may use session cookies. */
export function ownOrigins({
  PUBLIC_URL,
  CORS_ORIGINS,
}: Pick<ServerConfig, 'PUBLIC_URL' | 'CORS_ORIGINS'>): string[] {
  return [new URL(PUBLIC_URL).origin, ...splitList(CORS_ORIGINS)];
}

/** The parts of a comma-separated setting. */
export function splitList(setting: string): string[] {
  return setting
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
