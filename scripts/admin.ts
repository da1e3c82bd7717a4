/**
 * `make admin EMAIL=...`: creates or promotes an administrator of the fleet, prints a token.
 * With the argument `auditor` an auditor, as `make auditor`.
 */
import { buildApp } from '../services/user/app.ts';
import { readConfig } from '../services/user/config.ts';
import { makePrivilegedUser } from '../services/user/sign-in/make-privileged-user.ts';
import { userServiceEnvironment } from './fleet-environment.ts';

const type = process.argv[2] === 'auditor' ? 'auditor' : 'admin';
try {
  const email = process.env.EMAIL;
  if (!email) throw new Error(`EMAIL is not set. Run: make ${type} EMAIL=you@example.com`);
  const server = await buildApp(
    readConfig({
      ...(await userServiceEnvironment(process.env)),
      REPLICA: `${type}-${process.pid}`,
      LOG_LEVEL: 'warn',
      DATABASE_POOL_MAX: '2',
    }),
  );
  try {
    const { user_id, password, password_voided, token, expires_in } = await makePrivilegedUser(
      server,
      { email, type },
    );
    console.log(`${type.padEnd(8)} ${email} (${user_id})`);
    if (password !== undefined) console.log(`password ${password}   (shown once)`);
    if (password_voided)
      console.log('password void: nobody had confirmed the address, which gets a link by mail');
    console.log(`token    ${token}   (valid for ${expires_in} s)`);
  } finally {
    await server.http.app.close();
  }
} catch (error) {
  console.error(`make ${type}: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
