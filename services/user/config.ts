import { Type, type Static } from 'typebox';
import { loadConfig, serverSettings } from '@muniment/server';

export const settings = Type.Object({
  ...serverSettings,
  ACCESS_TOKEN_TTL_S: Type.Integer({ minimum: 30, maximum: 86_400, default: 900, description: 'Lifetime of an access token.' }),
  SIGNING_KEY_ROTATION_DAYS: Type.Integer({ minimum: 0, maximum: 3_650, default: 30, description: 'How long a key signs access tokens before the next one does. 0: until `make rotate-keys`.' }),
  REFRESH_TOKEN_TTL_S: Type.Integer({ minimum: 60, default: 14 * 86_400, description: 'Lifetime of a refresh token that is not used.' }),
  SESSION_TTL_S: Type.Integer({ minimum: 60, default: 90 * 86_400, description: 'Lifetime of a session, however often it is refreshed.' }),
  SESSION_IDLE_TTL_S: Type.Integer({ minimum: 300, default: 14 * 86_400, description: 'Time without a request or a refresh after which a session ends. Counts for sessions opened from then on.' }),
  PASSWORD_MEMORY_KIB: Type.Integer({ minimum: 19_456, default: 19_456, description: 'argon2id memory (OWASP: 19 MiB at least).' }),
  PASSWORD_PASSES: Type.Integer({ minimum: 2, default: 2, description: 'argon2id passes.' }),
  PRODUCT_NAME: Type.String({ default: 'Muniment', maxLength: 100, pattern: '^[^\\r\\n]*$', description: 'Name of the product as its users know it: in mails, and no password may be it.' }),
  PASSWORD_QUEUE_LIMIT: Type.Integer({ minimum: 0, default: 64, description: 'Password hashes that may wait; past that 503 and Retry-After.' }),
});

export type Config = Static<typeof settings>;

export const readConfig = (environment: NodeJS.ProcessEnv): Config => loadConfig(settings, environment);
