import { join } from 'node:path';
import cookie from '@fastify/cookie';
import { createPasswordHasher, ensureSigningKey } from '@muniment/security';
import { createServer } from '@muniment/server';
import { createStuffingMetric } from './credential-stuffing.ts';
import type { Config } from './config.ts';
import { eraseAccounts } from './erase-accounts.ts';
import { loadLanguages } from './mail/languages.ts';
import { createMailer } from './mail/mailer.ts';
import { sendMails } from './mail/send-mails.ts';
import { measurePasswords } from './measure-passwords.ts';
import { workOffRecoveries } from './recovery.ts';
import { noteTokenLifetime } from './queries/revocations.ts';
import { changeEmailRoute } from './routes/change-email.ts';
import { changePasswordRoute } from './routes/change-password.ts';
import { confirmEmailRoute } from './routes/confirm-email.ts';
import { createApiTokenRoute } from './routes/create-api-token.ts';
import { createServiceAccountRoute } from './routes/create-service-account.ts';
import { deleteAccountRoute } from './routes/delete-account.ts';
import { endOtherSessionsRoute } from './routes/end-other-sessions.ts';
import { endSessionRoute } from './routes/end-session.ts';
import { forgotPasswordRoute } from './routes/forgot-password.ts';
import { getHealthRoute } from './routes/get-health.ts';
import { getJwksRoute } from './routes/get-jwks.ts';
import { getProfileRoute } from './routes/get-profile.ts';
import { introspectTokenRoute } from './routes/introspect-token.ts';
import { listApiTokensRoute } from './routes/list-api-tokens.ts';
import { listServiceAccountsRoute } from './routes/list-service-accounts.ts';
import { listSessionsRoute } from './routes/list-sessions.ts';
import { loginRoute } from './routes/login.ts';
import { logoutRoute } from './routes/logout.ts';
import { openSocketRoute } from './routes/open-socket.ts';
import { refreshSessionRoute } from './routes/refresh-session.ts';
import { registerRoute } from './routes/register.ts';
import { resetPasswordRoute } from './routes/reset-password.ts';
import { revokeApiTokenRoute } from './routes/revoke-api-token.ts';
import { updateProfileRoute } from './routes/update-profile.ts';
import { v1GetUserRoute } from './routes/v1-get-user.ts';
import { v1ListActiveSessionsRoute } from './routes/v1-list-active-sessions.ts';
import { v1LoginRoute } from './routes/v1-login.ts';
import { v1LogoutRoute } from './routes/v1-logout.ts';
import { v1RegisterRoute } from './routes/v1-register.ts';
import type { Tables } from './tables.ts';
import { keepHouse } from './upkeep.ts';
import type { UserServer } from './user-server.ts';

/** The user service: who somebody is, and how they prove it. */
export async function buildApp(config: Config): Promise<UserServer> {
  const languages = loadLanguages(config.MAIL_LANGUAGES_DIR);
  const mailer = createMailer({
    url: config.SMTP_URL,
    from: config.MAIL_FROM,
    timeoutMs: config.MAIL_TIMEOUT_MS,
  });
  const base = await createServer<Tables>({
    service: 'user',
    schema: 'identity',
    source: 'user',
    config,
    migrations: [{ name: 'user', folder: join(import.meta.dirname, 'migrations') }],
    checks: [mailer.check],
    erasure: (db, subjectKeys) => eraseAccounts(db, subjectKeys),
    signing: async (db, masterKey) => ({
      key: await ensureSigningKey(db, masterKey),
      ttlSeconds: config.ACCESS_TOKEN_TTL_S,
    }),
  });
  // Only to set them: what a request brings is read by the authentication, of every service.
  await base.app.register(cookie, { hook: false });
  const passwords = createPasswordHasher({
    memoryKiB: config.PASSWORD_MEMORY_KIB,
    passes: config.PASSWORD_PASSES,
    queueLimit: config.PASSWORD_QUEUE_LIMIT,
    names: ['Muniment', config.PRODUCT_NAME],
  });
  const server: UserServer = {
    ...base,
    config,
    passwords,
    languages,
    stuffing: createStuffingMetric(base.metrics),
  };
  server.app.addHook('onClose', () => passwords.close());
  await server.keys.refresh();
  await noteTokenLifetime(server.db, config.ACCESS_TOKEN_TTL_S);
  keepHouse(server);
  workOffRecoveries(server);
  sendMails(server, mailer, languages);
  measurePasswords(passwords, server.metrics);

  // Anyone
  getHealthRoute(server);
  getJwksRoute(server);
  registerRoute(server);
  loginRoute(server);
  refreshSessionRoute(server);
  forgotPasswordRoute(server);
  resetPasswordRoute(server);
  confirmEmailRoute(server);
  v1RegisterRoute(server);
  v1LoginRoute(server);
  await openSocketRoute(server);

  // Signed in
  getProfileRoute(server);
  updateProfileRoute(server);
  deleteAccountRoute(server);
  changePasswordRoute(server);
  changeEmailRoute(server);
  logoutRoute(server);
  listSessionsRoute(server);
  endSessionRoute(server);
  endOtherSessionsRoute(server);
  v1GetUserRoute(server);
  v1ListActiveSessionsRoute(server);
  v1LogoutRoute(server);
  createApiTokenRoute(server);
  listApiTokensRoute(server);
  revokeApiTokenRoute(server);

  // Administrators
  introspectTokenRoute(server);
  createServiceAccountRoute(server);
  listServiceAccountsRoute(server);

  return server;
}
