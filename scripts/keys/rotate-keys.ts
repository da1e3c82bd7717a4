/**
 * `make rotate-keys [COMPROMISED=<kid>|all]`: lets the next key sign access tokens.
 * COMPROMISED also revokes, on every replica, all tokens that these keys have signed.
 */
import { buildApp } from '../../services/user/app.ts';
import { readConfig } from '../../services/user/config.ts';
import { revokeKeys, rotateKeys } from '../../services/user/signing-keys/rotate-signing-keys.ts';
import { userServiceEnvironment } from '../fleet-environment.ts';

const { COMPROMISED: compromised = '' } = process.env;

try {
  const server = await buildApp(
    readConfig({
      ...(await userServiceEnvironment(process.env)),
      REPLICA: `rotate-keys-${process.pid}`,
      PORT: '0',
      LOG_LEVEL: 'warn',
      DATABASE_POOL_MAX: '2',
    }),
  );
  try {
    const rotation =
      compromised === ''
        ? await rotateKeys(server)
        : await revokeKeys(server, compromised === 'all' ? 'all' : [compromised]);
    if (!rotation)
      throw new Error(
        `There is no valid key ${compromised}. /.well-known/jwks.json lists the valid ones.`,
      );
    for (const kid of rotation.compromised)
      console.log(`compromised ${kid}   its tokens are revoked; clients refresh them`);
    if (rotation.retired !== null)
      console.log(`retired     ${rotation.retired}   its tokens are valid until they expire`);
    console.log(`active      ${rotation.active}   signs from now on`);
    console.log(`next        ${rotation.next}   is in the JWKS and will sign after it`);
  } finally {
    await server.http.app.close();
  }
} catch (error) {
  console.error(`make rotate-keys: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
