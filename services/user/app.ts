import { join } from 'node:path';
import cookie from '@fastify/cookie';
import { createPasswordHasher } from '@muniment/security';
import { createServer, flatServer, registerFeatures } from '@muniment/server';
import { createStuffingMetric } from './sign-in/credential-stuffing.ts';
import type { Config } from './config.ts';
import { eraseAccounts } from './users/erase-user.ts';
import { loadLanguages } from './mail/languages.ts';
import { createMailer } from './mail/mailer.ts';
import { sendMails } from './mail/send-mails.ts';
import { measurePasswords } from './passwords/password-metrics.ts';
import { startRecoveries } from './passwords/recovery.ts';
import { saveTokenLifetime } from './sessions/revocation-queries.ts';
import { changeEmailRoute } from './account/change-email.ts';
import { changePasswordRoute } from './passwords/change-password.ts';
import { confirmEmailRoute } from './account/confirm-email.ts';
import { createApiTokenRoute } from './api-tokens/create-api-token.ts';
import { createServiceAccountRoute } from './api-tokens/create-service-account.ts';
import { deleteAccountRoute } from './account/delete-account.ts';
import { forgotPasswordRoute } from './passwords/forgot-password.ts';
import { getHealthRoute } from './health/get-health.ts';
import { getJwksRoute } from './signing-keys/get-jwks.ts';
import { getProfileRoute } from './account/get-profile.ts';
import { introspectTokenRoute } from './api-tokens/introspect-token.ts';
import { listApiTokensRoute } from './api-tokens/list-api-tokens.ts';
import { listServiceAccountsRoute } from './api-tokens/list-service-accounts.ts';
import { loginRoute } from './sign-in/login.ts';
import { openSocketRoute } from './web-socket/open-socket.ts';
import { registerRoute } from './sign-in/register.ts';
import { resetPasswordRoute } from './passwords/reset-password.ts';
import { revokeApiTokenRoute } from './api-tokens/revoke-api-token.ts';
import { updateProfileRoute } from './account/update-profile.ts';
import { v1GetUserRoute } from './seed-004/get-user.ts';
import { v1ListActiveSessionsRoute } from './seed-004/list-active-sessions.ts';
import { v1LoginRoute } from './seed-004/login.ts';
import { v1LogoutRoute } from './seed-004/logout.ts';
import { v1RegisterRoute } from './seed-004/register.ts';
import { sessions } from './sessions/routes.ts';
import type { Tables } from './tables.ts';
import { startMaintenance } from './maintenance.ts';
import type { UserContext } from './context.ts';
import { ensureSigningKey } from './signing-keys/signing-keys.ts';

/** The user service: who somebody is, and how they prove it. */
export async function buildApp(config: Config): Promise<UserContext> {
  const languages = loadLanguages(config.MAIL_LANGUAGES_DIR);
  const mailer = createMailer({
    url: config.SMTP_URL,
    from: config.MAIL_FROM,
    timeoutMs: config.MAIL_TIMEOUT_MS,
  });
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
  context.health.add(mailer.check);
  context.erasures.handle(eraseAccounts(context.data.db, context.crypto.subjectKeys));
  const base = flatServer(context);
  // Only to set them: what a request brings is read by the authentication, of every service.
  await base.app.register(cookie, { hook: false });
  const passwords = createPasswordHasher({
    memoryKiB: config.PASSWORD_MEMORY_KIB,
    passes: config.PASSWORD_PASSES,
    queueLimit: config.PASSWORD_QUEUE_LIMIT,
    names: ['Muniment', config.PRODUCT_NAME],
  });
  const server: UserContext = {
    ...base,
    config,
    passwords,
    languages,
    stuffing: createStuffingMetric(base.metrics),
  };
  server.app.addHook('onClose', () => passwords.close());
  await server.keys.refresh();
  await saveTokenLifetime(server.db, config.ACCESS_TOKEN_TTL_S);
  startMaintenance(server);
  startRecoveries(server);
  sendMails(server, mailer, languages);
  measurePasswords(passwords, server.metrics);

  await registerFeatures(server.app, server, [sessions]);

  // Anyone
  getHealthRoute(server);
  getJwksRoute(server);
  registerRoute(server);
  loginRoute(server);
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
