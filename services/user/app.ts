import cookie from '@fastify/cookie';
import { registerFeatures } from '@muniment/server';
import { account } from './account/routes.ts';
import { apiTokens } from './api-tokens/routes.ts';
import type { Config } from './config.ts';
import { createContext, type UserContext } from './context.ts';
import { health } from './health/routes.ts';
import { sendMails } from './mail/send-mails.ts';
import { startMaintenance } from './maintenance.ts';
import { startRecoveries } from './passwords/process-recoveries.ts';
import { passwords } from './passwords/routes.ts';
import { seed004 } from './seed-004/routes.ts';
import { saveTokenLifetime } from './sessions/revocation-queries.ts';
import { sessions } from './sessions/routes.ts';
import { signIn } from './sign-in/routes.ts';
import { signingKeys } from './signing-keys/routes.ts';
import { webSocket } from './web-socket/routes.ts';

/** Builds the user service. It neither listens nor starts loops. */
export async function buildApp(config: Config): Promise<UserContext> {
  const context = await createContext(config);
  const { http, data, auth } = context;
  // Without its hook: it only sets cookies. Authentication reads them in every service.
  await http.app.register(cookie, { hook: false });
  await auth.keys.refresh();
  await saveTokenLifetime(data.db, config.ACCESS_TOKEN_TTL_S);
  startMaintenance(context);
  startRecoveries(context);
  sendMails(context);
  // Lower rooms first: a room imports only from rooms above it in this list.
  await registerFeatures(http.app, context, [
    health,
    signingKeys,
    sessions,
    apiTokens,
    signIn,
    passwords,
    account,
    seed004,
    webSocket,
  ]);
  return context;
}
