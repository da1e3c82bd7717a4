import { hostname } from 'node:os';
import envSchema from 'env-schema';
import { Type, type Static, type TObject } from 'typebox';

const milliseconds = (options: { default: number; description: string }) =>
  Type.Integer({ minimum: 0, ...options });

/** What every service reads from its environment. `writeOnly` marks a secret: it is never logged and has no place in the reference's examples. */
export const serverSettings = {
  HOST: Type.String({ default: '127.0.0.1', description: 'Address to listen on.' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65535, description: 'Port to listen on.' }),
  REPLICA: Type.String({
    default: `${hostname()}-${process.pid}`,
    description:
      'Name of this replica: in logs, leases and pg_stat_activity. Unique among the replicas that run.',
  }),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) =>
      Type.Literal(level),
    ),
    { default: 'info', description: 'Least severe level that is logged.' },
  ),
  TRUSTED_PROXIES: Type.String({
    default: '127.0.0.1/32,::1/128',
    description:
      'Addresses or CIDR ranges, comma separated, whose X-Forwarded-For, X-Request-Id and X-Request-Start are believed: the gateway.',
  }),
  CORS_ORIGINS: Type.String({
    default: '',
    description: 'Origins, comma separated, that browsers may call from. Empty: none.',
  }),
  PUBLIC_URL: Type.String({
    pattern: '^https?://[^/]+',
    default: 'http://localhost:8080',
    description: "The gateway's URL as clients see it.",
  }),
  COOKIE_HOST_PREFIX: Type.Boolean({
    default: false,
    description:
      'Whether session cookies are named with the prefix `__Host-`, which keeps other hosts of the domain from setting them. The same for all services.',
  }),
  BODY_LIMIT_BYTES: Type.Integer({
    minimum: 1024,
    default: 64 * 1024,
    description: 'Largest JSON body.',
  }),
  EVENT_LOOP_MAX_DELAY_MS: milliseconds({
    default: 1_000,
    description:
      'Delay of the event loop past which requests are refused with 503 and Retry-After.',
  }),
  SHUTDOWN_TIMEOUT_MS: milliseconds({
    default: 30_000,
    description: 'Time a stop may take before the process ends the hard way.',
  }),
  SHUTDOWN_DELAY_MS: milliseconds({
    default: 0,
    description:
      'Time between readiness turning 503 and the end of listening, for balancers that poll readiness.',
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
        'The same past any pooler, for the one connection that listens for revocations. Absent: DATABASE_URL.',
    }),
  ),
  DATABASE_POOL_MAX: Type.Integer({
    minimum: 2,
    maximum: 200,
    default: 10,
    description: 'Most connections of this replica, beside the one that listens for revocations.',
  }),
  DATABASE_STATEMENT_TIMEOUT_MS: milliseconds({
    default: 2_000,
    description:
      'Time after which PostgreSQL cancels a statement. Half a second later the replica itself gives the connection up: a silent database is a 503 within four seconds.',
  }),
  LIMITS: Type.Union([Type.Literal('on'), Type.Literal('off')], {
    default: 'on',
    description: 'Whether tries and requests are limited. `off` is for load tests.',
  }),
  LIMIT_RULES: Type.String({
    default: '',
    description:
      'Limits that differ from the built-in ones, comma separated: `login_account=5/600` is five tries at once and five again over 600 seconds. The same for all services.',
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
    Type.String({ writeOnly: true, description: 'Its secret.' }),
  ),
  KINESIS_ENDPOINT: Type.Optional(
    Type.String({ description: "Endpoint of the Kinesis protocol. Absent: AWS's own." }),
  ),
  KINESIS_STREAM: Type.String({
    default: 'audit-events',
    description: 'Stream of the audit events.',
  }),
  IDEMPOTENCY_TTL_S: Type.Integer({
    minimum: 60,
    maximum: 30 * 86_400,
    default: 86_400,
    description: 'How long the answer to a POST is kept under its Idempotency-Key.',
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
 * @throws when a variable is missing or malformed; the message names it and never its value
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

/** The origins whose pages may use session cookies: the gateway's own and those that CORS allows. */
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
