// Preloaded by make's commands (node --import): sets what ENV_FILE names and the shell does not.
import path from 'node:path';
import { reportFailure } from './fleet/commands/output.ts';
import { loadEnvFile } from './fleet/env-file.ts';
import { ROOT } from './fleet/settings.ts';

try {
  if (process.env.ENV_FILE) loadEnvFile(process.env, path.resolve(ROOT, process.env.ENV_FILE));
} catch (error) {
  reportFailure('make', error);
  process.exit(1);
}
