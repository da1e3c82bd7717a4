/**
 * Loads all services once, so that a first start finds their compiled code. A replica that strips
 * types itself keeps the compiler, some 30 MiB.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const env = { NODE_COMPILE_CACHE: join(root, '.tools/compile-cache') };
for (const service of ['user', 'file', 'audit']) {
  const file = join(root, `services/${service}/server.ts`);
  // Without settings it ends once it is loaded.
  const { stderr } = spawnSync(process.execPath, [file], { env, encoding: 'utf8' });
  if (!stderr.includes('DATABASE_URL')) throw new Error(`${file} was not loaded: ${stderr}`);
}
