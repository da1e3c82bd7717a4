/**
 * `make rotate-keys [COMPROMISED=<kid>|all]`: has the next key sign access tokens, on a running fleet; or, with COMPROMISED, makes what these keys signed
 * count no more, at once and on every replica. Elsewhere: with the user service's environment given.
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
        `there is no key ${compromised} that still counts; /.well-known/jwks.json lists them`,
      );
    for (const kid of rotation.compromised)
      console.log(`compromised ${kid}   its tokens count no more; who held one refreshes it`);
    if (rotation.retired !== null)
      console.log(`retired     ${rotation.retired}   its tokens count until they expire`);
    console.log(`active      ${rotation.active}   signs from now on`);
    console.log(`next        ${rotation.next}   is in the JWKS and will sign after it`);
  } finally {
    await server.app.close();
  }
} catch (error) {
  console.error(`make rotate-keys: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
