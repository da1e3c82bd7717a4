/** `make admin EMAIL=...`: creates or promotes an administrator of the fleet, prints a token. */
import { buildApp } from '../services/user/app.ts';
import { readConfig } from '../services/user/config.ts';
import { makeAdmin } from '../services/user/sign-in/make-admin.ts';
import { userServiceEnvironment } from './fleet-environment.ts';

try {
  const email = process.env.EMAIL;
  if (!email) throw new Error('EMAIL is not set. Run: make admin EMAIL=you@example.com');
  const server = await buildApp(
    readConfig({
      ...(await userServiceEnvironment(process.env)),
      REPLICA: `admin-${process.pid}`,
      LOG_LEVEL: 'warn',
      DATABASE_POOL_MAX: '2',
    }),
  );
  try {
    const { user_id, password, password_voided, token, expires_in } = await makeAdmin(
      server,
      email,
    );
    console.log(`admin    ${email} (${user_id})`);
    if (password !== undefined) console.log(`password ${password}   (shown once)`);
    if (password_voided)
      console.log('password void: nobody had confirmed the address, which gets a link by mail');
    console.log(`token    ${token}   (valid for ${expires_in} s)`);
  } finally {
    await server.http.app.close();
  }
} catch (error) {
  console.error(`make admin: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
