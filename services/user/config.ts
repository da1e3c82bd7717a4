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
    description:
      'How long a key signs access tokens before the next one does. 0: until `make rotate-keys`.',
  }),
  REFRESH_TOKEN_TTL_S: Type.Integer({
    minimum: 60,
    default: 14 * 86_400,
    description: 'Lifetime of a refresh token that is not used.',
  }),
  SESSION_TTL_S: Type.Integer({
    minimum: 60,
    default: 90 * 86_400,
    description: 'Lifetime of a session, however often it is refreshed.',
  }),
  SESSION_IDLE_TTL_S: Type.Integer({
    minimum: 300,
    default: 14 * 86_400,
    description:
      'Time without a request or a refresh after which a session ends. Counts for sessions opened from then on.',
  }),
  PASSWORD_MEMORY_KIB: Type.Integer({
    minimum: 19_456,
    default: 19_456,
    description: 'argon2id memory (OWASP: 19 MiB at least).',
  }),
  PASSWORD_PASSES: Type.Integer({ minimum: 2, default: 2, description: 'argon2id passes.' }),
  PRODUCT_NAME: Type.String({
    default: 'Muniment',
    maxLength: 100,
    pattern: '^[^\\r\\n]*$',
    description: 'Name of the product as its users know it: in mails, and no password may be it.',
  }),
  SMTP_URL: Type.String({
    pattern: '^smtps?://',
    writeOnly: true,
    description:
      'Mail server: `smtps://user:password@host:465`, or `smtp://host:587?requireTLS=true` for STARTTLS.',
  }),
  MAIL_FROM: Type.String({
    pattern: '^[^\\r\\n]*@[^\\s@>]+>?$',
    description:
      'Sender of the mails: `Name <address>`. The name of its domain is in the Message-IDs.',
  }),
  MAIL_LINK_RESET: Type.Optional(
    Type.String({
      pattern: '^https?://[^#]+$',
      description:
        "Page of your front end for a new password; the mail's link adds `#token=...`. Absent: `/reset-password` under PUBLIC_URL.",
    }),
  ),
  MAIL_LINK_EMAIL: Type.Optional(
    Type.String({
      pattern: '^https?://[^#]+$',
      description:
        'Page of your front end that confirms an address. Absent: `/confirm-email` under PUBLIC_URL.',
    }),
  ),
  MAIL_LANGUAGES_DIR: Type.Optional(
    Type.String({
      description:
        'Folder with texts of your own for the mails, one JSON file for each language, as in services/user/mail/languages.',
    }),
  ),
  RESET_TOKEN_TTL_S: Type.Integer({
    minimum: 60,
    maximum: 86_400,
    default: 1_800,
    description: 'Lifetime of the link to a new password, from the moment its mail is sent.',
  }),
  EMAIL_TOKEN_TTL_S: Type.Integer({
    minimum: 60,
    maximum: 7 * 86_400,
    default: 3_600,
    description: 'Lifetime of the link that confirms an address, from the moment its mail is sent.',
  }),
  MAIL_GIVE_UP_S: Type.Integer({
    minimum: 60,
    default: 86_400,
    description: 'Age at which a mail that cannot be sent is given up.',
  }),
  MAIL_POLL_MS: Type.Integer({
    minimum: 10,
    default: 500,
    description: 'Pause between two looks into the outbox of mails.',
  }),
  MAIL_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 25_000,
    default: 20_000,
    description: 'Time that the mail server has to take a mail.',
  }),
  MAIL_CLAIM_MS: Type.Integer({
    minimum: 1_000,
    default: 60_000,
    description:
      'Time after which a mail whose replica died is sent by another. More than twice MAIL_TIMEOUT_MS, or a mail may go twice.',
  }),
  SOCKET_MAX: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1_000,
    description: 'WebSockets that a replica serves at once.',
  }),
  PASSWORD_QUEUE_LIMIT: Type.Integer({
    minimum: 0,
    default: 64,
    description: 'Password hashes that may wait; past that 503 and Retry-After.',
  }),
});

export type Config = Static<typeof settings>;

export const readConfig = (environment: NodeJS.ProcessEnv): Config =>
  loadConfig(settings, environment);
