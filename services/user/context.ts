import { join } from 'node:path';
import type { Counter } from 'prom-client';
import { createPasswordHasher, type PasswordHasher } from '@muniment/security';
import { createServer, type ServiceContext } from '@muniment/server';
import type { Config } from './config.ts';
import { createFailureFloor, type FailureFloor } from './foreign-hashes/failure-floor.ts';
import { createSignerKeyReader } from './foreign-hashes/signer-keys.ts';
import { loadLanguages, type Languages } from './mail/languages.ts';
import { createMailer, type Mailer } from './mail/mailer.ts';
import { measurePasswords } from './passwords/password-metrics.ts';
import { createStuffingMetric } from './sign-in/credential-stuffing.ts';
import { ensureSigningKey } from './signing-keys/signing-keys.ts';
import type { Tables } from './tables.ts';
import { createUserErasure } from './users/erase-user.ts';
import { keepLastAdministrator } from './users/last-administrator.ts';
import { createFindUser, type FindUser } from './users/user-reader.ts';

/** Windows in which failed logins looked like credential stuffing, by pattern. */
export type StuffingMetric = Counter<'pattern'>;

/** The user service's parts, in groups. Handlers take only some. */
export interface UserContext extends ServiceContext<Tables> {
  config: Config;
  passwords: PasswordHasher;
  failureFloor: FailureFloor;
  mail: { languages: Languages; mailer: Mailer };
  stuffing: StuffingMetric;
  findUser: FindUser;
}

/** Builds the context. @throws as `createServer` */
export async function createContext(config: Config): Promise<UserContext> {
  const mail = openMail(config);
  const context = await createServer<Tables>({
    service: 'user',
    schema: 'identity',
    source: 'user',
    config,
    migrations: [{ name: 'user', folder: join(import.meta.dirname, 'migrations') }],
    signing: async (db, masterKey) => ({
      key: await ensureSigningKey(db, masterKey),
      ttlSeconds: config.ACCESS_TOKEN_TTL_S,
    }),
  });
  const { http, data, crypto, metrics } = context;
  context.health.add(mail.mailer.check);
  context.erasures.handle(createUserErasure(data.db, crypto.subjectKeys));
  const passwords = createPasswordHasher({
    memoryKiB: config.PASSWORD_MEMORY_KIB,
    passes: config.PASSWORD_PASSES,
    ...(config.PASSWORD_CONCURRENCY > 0 && { concurrency: config.PASSWORD_CONCURRENCY }),
    queueLimit: config.PASSWORD_QUEUE_LIMIT,
    names: ['Muniment', config.PRODUCT_NAME],
    loadSignerKey: createSignerKeyReader(data.db, crypto.masterKey),
  });
  http.app.addHook('onClose', () => passwords.close());
  measurePasswords(passwords, metrics);
  const stuffing = createStuffingMetric(metrics);
  const findUser = createFindUser(data.db);
  const inTransaction = keepLastAdministrator({
    inTransaction: data.inTransaction,
    record: context.audit.record,
  });
  const failureFloor = createFailureFloor(data.db, passwords);
  return {
    ...context,
    data: { ...data, inTransaction },
    config,
    passwords,
    failureFloor,
    mail,
    stuffing,
    findUser,
  };
}

function openMail(config: Config): UserContext['mail'] {
  return {
    languages: loadLanguages(config.MAIL_LANGUAGES_DIR),
    mailer: createMailer({
      url: config.SMTP_URL,
      from: config.MAIL_FROM,
      timeoutMs: config.MAIL_TIMEOUT_MS,
    }),
  };
}
