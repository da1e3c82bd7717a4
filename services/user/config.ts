import { Type, type Static } from 'typebox';
import { loadConfig, serverSettings } from '@muniment/server';

export const settings = Type.Object({
  ...serverSettings,
  ACCESS_TOKEN_TTL_S: Type.Integer({
    minimum: 30,
    maximum: 86_400,
    default: 900,
    description: 'Lifetime of an access token.',
  }),
  SIGNING_KEY_ROTATION_DAYS: Type.Integer({
    minimum: 0,
    maximum: 3_650,
    default: 30,
    description: 'Time for which a key signs access tokens. 0: until `make rotate-keys`.',
  }),
  TOKEN_APP_METADATA_KEYS: Type.String({
    default: '',
    maxLength: 500,
    pattern: '^([\\w-]{1,64}(,[\\w-]{1,64})*)?$',
    description:
      'Members of app_metadata that enter access tokens as the claim app_metadata, comma ' +
      'separated. Of a user with more than 512 bytes in them none enters.',
  }),
  REFRESH_TOKEN_TTL_S: Type.Integer({
    minimum: 60,
    default: 14 * 86_400,
    description: 'Lifetime of an unused refresh token.',
  }),
  SESSION_TTL_S: Type.Integer({
    minimum: 60,
    default: 90 * 86_400,
    description: 'Maximum lifetime of a session, despite refreshes.',
  }),
  SESSION_IDLE_TTL_S: Type.Integer({
    minimum: 300,
    default: 14 * 86_400,
    description: 'Idle time after which a session ends. A change applies to new sessions.',
  }),
  PASSWORD_MEMORY_KIB: Type.Integer({
    minimum: 19_456,
    default: 19_456,
    description: 'argon2id memory (OWASP: at least 19 MiB).',
  }),
  PASSWORD_PASSES: Type.Integer({ minimum: 2, default: 2, description: 'argon2id passes.' }),
  PRODUCT_NAME: Type.String({
    default: 'Muniment',
    maxLength: 100,
    pattern: '^[^\\r\\n]*$',
    description: 'Product name that users know. Mails show it, and no password may equal it.',
  }),
  SMTP_URL: Type.String({
    pattern: '^smtps?://',
    writeOnly: true,
    description:
      'Mail server: `smtps://user:password@host:465`; for STARTTLS ' +
      '`smtp://host:587?requireTLS=true`.',
  }),
  MAIL_FROM: Type.String({
    pattern: '^[^\\r\\n]*@[^\\s@>]+>?$',
    description: 'Sender of the mails: `Name <address>`. Message-IDs contain its domain.',
  }),
  MAIL_LINK_RESET: Type.Optional(
    Type.String({
      pattern: '^https?://[^#]+$',
      description:
        'Front-end page for a new password; links add `#token=...`. Absent: ' +
        "the gateway's own, `/reset-password` under PUBLIC_URL.",
    }),
  ),
  MAIL_LINK_EMAIL: Type.Optional(
    Type.String({
      pattern: '^https?://[^#]+$',
      description:
        "Front-end page that confirms an address. Absent: the gateway's own, `/confirm-email` under " +
        'PUBLIC_URL.',
    }),
  ),
  MAIL_LANGUAGES_DIR: Type.Optional(
    Type.String({
      description:
        'Folder with your own mail texts, one JSON file per language as in ' +
        'services/user/mail/languages.',
    }),
  ),
  RESET_TOKEN_TTL_S: Type.Integer({
    minimum: 60,
    maximum: 86_400,
    default: 1_800,
    description: 'Lifetime of a password reset link after its mail is sent.',
  }),
  INVITATION_TOKEN_TTL_S: Type.Integer({
    minimum: 60,
    maximum: 30 * 86_400,
    default: 7 * 86_400,
    description: "Lifetime of an invitation's link after its mail is sent.",
  }),
  EMAIL_TOKEN_TTL_S: Type.Integer({
    minimum: 60,
    maximum: 7 * 86_400,
    default: 3_600,
    description: 'Lifetime of an address confirmation link after its mail is sent.',
  }),
  MAIL_GIVE_UP_S: Type.Integer({
    minimum: 60,
    default: 86_400,
    description: 'Age at which an unsent mail is given up.',
  }),
  MAIL_POLL_MS: Type.Integer({
    minimum: 10,
    default: 500,
    description: 'Pause between two polls of the mail outbox. At rest it is ten seconds.',
  }),
  MAIL_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 25_000,
    default: 20_000,
    description: 'Maximum time for handing a mail to the mail server.',
  }),
  MAIL_CLAIM_MS: Type.Integer({
    minimum: 1_000,
    default: 60_000,
    description:
      'Time after which another replica sends a mail whose replica died. Set over twice ' +
      'MAIL_TIMEOUT_MS, or a mail may go twice.',
  }),
  SOCKET_MAX: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1_000,
    description: 'Maximum open WebSockets of a replica.',
  }),
  SOCKET_MAX_PER_NETWORK: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 50,
    description:
      'Maximum open WebSockets of one network (IPv4 address or IPv6 /64) at a replica. One ' +
      'more gets 429 and Retry-After.',
  }),
  SOCKET_FIRST_MESSAGE_MS: Type.Integer({
    minimum: 100,
    maximum: 3_600_000,
    default: 30_000,
    description: 'Time after which a WebSocket is closed of which no message has succeeded.',
  }),
  FILE_SERVICE_URLS: Type.String({
    pattern: '^https?://[^/,]+(,https?://[^/,]+)*$',
    default: 'http://127.0.0.1:8082',
    description:
      'Replicas of the file service, comma separated, past the gateway. They store the files of ' +
      'vendor profiles; without one, forms with files get 503.',
  }),
  REQUIRE_IF_MATCH: Type.Union([Type.Literal('on'), Type.Literal('off')], {
    default: 'off',
    description:
      'on: a change of a user in the directory without If-Match is refused with 428, so that no ' +
      'change is lost.',
  }),
  PASSWORD_CONCURRENCY: Type.Integer({
    minimum: 0,
    maximum: 128,
    default: 0,
    description:
      'Password hashes computed at once; 0 means one for each core. Set the share of a replica ' +
      'where several run on one machine. One thread of UV_THREADPOOL_SIZE (4) always stays free.',
  }),
  PASSWORD_QUEUE_LIMIT: Type.Integer({
    minimum: 0,
    default: 64,
    description: 'Maximum waiting password hashes. Above it, requests get 503 and Retry-After.',
  }),
});

export type Config = Static<typeof settings>;

export const readConfig = (environment: NodeJS.ProcessEnv): Config =>
  loadConfig(settings, environment);
