import cookie from '@fastify/cookie';
import { registerFeatures } from '@muniment/server';
import type { Config } from './config.ts';
import { createContext, type UserContext } from './context.ts';
import { sendMails } from './mail/send-mails.ts';
import { startMaintenance } from './maintenance.ts';
import { startRecoveries } from './passwords/recovery.ts';
import { saveTokenLifetime } from './sessions/revocation-queries.ts';
import { apiTokens } from './api-tokens/routes.ts';
import { health } from './health/routes.ts';
import { signingKeys } from './signing-keys/routes.ts';
import { signIn } from './sign-in/routes.ts';
import { seed004 } from './seed-004/routes.ts';
import { sessions } from './sessions/routes.ts';
import { webSocket } from './web-socket/routes.ts';
import { changeEmailRoute } from './account/change-email.ts';
import { changePasswordRoute } from './passwords/change-password.ts';
import { confirmEmailRoute } from './account/confirm-email.ts';
import { deleteAccountRoute } from './account/delete-account.ts';
import { forgotPasswordRoute } from './passwords/forgot-password.ts';
import { getProfileRoute } from './account/get-profile.ts';
import { resetPasswordRoute } from './passwords/reset-password.ts';
import { updateProfileRoute } from './account/update-profile.ts';

/** Builds the user service. It neither listens nor starts loops. */
export async function buildApp(config: Config): Promise<UserContext> {
  const context = await createContext(config);
  const { http, data, auth } = context;
  // Without its hook: it only sets cookies. Authentication reads them, in every service.
  await http.app.register(cookie, { hook: false });
  await auth.keys.refresh();
  await saveTokenLifetime(data.db, config.ACCESS_TOKEN_TTL_S);
  startMaintenance(context);
  startRecoveries(context);
  sendMails(context);
  // Lower rooms first: a room may import only from rooms above it in this list.
  await registerFeatures(http.app, context, [
    health,
    signingKeys,
    sessions,
    apiTokens,
    signIn,
    seed004,
    webSocket,
  ]);

  // Anyone
  forgotPasswordRoute(context);
  resetPasswordRoute(context);
  confirmEmailRoute(context);

  // Signed in
  getProfileRoute(context);
  updateProfileRoute(context);
  deleteAccountRoute(context);
  changePasswordRoute(context);
  changeEmailRoute(context);

  return context;
}
