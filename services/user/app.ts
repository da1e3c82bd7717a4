import cookie from '@fastify/cookie';
import { registerFeatures, type FeatureRoutes } from '@muniment/server';
import { account } from './account/routes.ts';
import { apiTokens } from './api-tokens/routes.ts';
import type { Config } from './config.ts';
import { createContext, type UserContext } from './context.ts';
import { directory } from './directory/routes.ts';
import { health } from './health/routes.ts';
import { userImport } from './import/routes.ts';
import { startMailSender } from './mail/send-mails.ts';
import { startMaintenance } from './maintenance.ts';
import { startRecoveries } from './passwords/process-recoveries.ts';
import { passwords } from './passwords/routes.ts';
import { seed004 } from './seed-004/routes.ts';
import { saveTokenLifetime } from './sessions/revocation-queries.ts';
import { sessions } from './sessions/routes.ts';
import { signIn } from './sign-in/routes.ts';
import { signingKeys } from './signing-keys/routes.ts';
import { parseTokenKeys, saveTokenMetadataKeys } from './users/metadata/token-metadata-queries.ts';
import { vendorProfiles } from './vendor-profiles/routes.ts';
import { webSocket } from './web-socket/routes.ts';

/** By dependency: a feature imports only from features before it in this list. */
export const features: readonly FeatureRoutes<UserContext>[] = [
  health,
  signingKeys,
  sessions,
  apiTokens,
  signIn,
  passwords,
  account,
  vendorProfiles,
  directory,
  userImport,
  seed004,
  webSocket,
];

/** Builds the user service. Its loops start once it listens. */
export async function buildApp(config: Config): Promise<UserContext> {
  const context = await createContext(config);
  const { http, data, auth } = context;
  // The plugin only sets cookies, so it needs no hook: authentication parses them.
  await http.app.register(cookie, { hook: false });
  await auth.keys.refresh();
  await saveTokenLifetime(data.db, config.ACCESS_TOKEN_TTL_S);
  await saveTokenMetadataKeys(data.db, parseTokenKeys(config.TOKEN_APP_METADATA_KEYS));
  // Each adds its loops to `context.jobs`, which start once the service listens.
  startMaintenance(context);
  startRecoveries(context);
  startMailSender(context);
  await registerFeatures(http.app, context, features);
  return context;
}
