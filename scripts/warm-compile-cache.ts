/**
 * Loads the services named as arguments, or all, so that a first start finds their compiled code.
 * A replica that strips types itself keeps the compiler, some 30 MiB. Node keeps a cache for each
 * user id, so run it as the user who starts them.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { V8_FLAGS } from '../packages/cluster/src/fleet/plan/v8-flags.ts';

const root = join(import.meta.dirname, '..');
const env = {
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(root, '.tools/compile-cache'),
};
const named = process.argv.slice(2);
for (const service of named.length > 0 ? named : ['user', 'file', 'audit']) {
  const file = join(root, `services/${service}/server.ts`);
  // Without settings it ends once it is loaded.
  const { stderr } = spawnSync(process.execPath, [...V8_FLAGS, file], { env, encoding: 'utf8' });
  if (!stderr.includes('DATABASE_URL')) throw new Error(`${file} was not loaded: ${stderr}`);
}
