import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { FleetError } from '../errors.ts';
import { isPlannedSetting, serviceSettingNames } from './service-settings.ts';
import { FLEET_SETTINGS, ROOT } from './settings.ts';

// docker compose reads the same file and has these besides.
const COMPOSE_SETTINGS: readonly string[] = ['PROMETHEUS_PORT', 'GRAFANA_PORT'];
const LINE = /^\s*(#.*|(export\s+)?[A-Za-z_]\w*\s*=.*)?$/;

/**
 * Sets the variables of a `.env` file that the environment lacks. The environment wins.
 * @throws FleetError that names the line or the variable
 */
export function loadEnvFile(environment: NodeJS.ProcessEnv, file: string): void {
  if (!existsSync(file)) return;
  const name = path.relative(ROOT, file).startsWith('..') ? file : path.relative(ROOT, file);
  const variables = parseEnvFile(readFileSync(file, 'utf8'), name);
  const known = new Set([
    ...FLEET_SETTINGS,
    ...COMPOSE_SETTINGS,
    ...serviceSettingNames(path.join(ROOT, '.env.example')),
  ]);
  for (const [variable, value] of Object.entries(variables)) {
    checkVariable(variable, value, { known, file: name });
    if (value !== '' && !environment[variable]) environment[variable] = value;
  }
}

function parseEnvFile(text: string, file: string): Record<string, string> {
  const bad = text.split(/\r?\n/).findIndex((line) => !LINE.test(line));
  if (bad >= 0)
    throw new FleetError(`Line ${bad + 1} of ${file} is not a setting. Write NAME=value.`);
  return Object.fromEntries(
    Object.entries(parseEnv(text)).map(([name, value]) => [name, value ?? '']),
  );
}

function checkVariable(
  variable: string,
  value: string,
  { known, file }: { known: ReadonlySet<string>; file: string },
): void {
  if (!known.has(variable))
    throw new FleetError(
      `${variable} in ${file} is not a setting. Correct its name or remove it: ` +
        '.env.example lists those of the services, make help those of make up.',
    );
  // An empty value counts as absent, so a copy of .env.example is accepted as it is.
  if (value !== '' && isPlannedSetting(variable) && !FLEET_SETTINGS.includes(variable))
    throw new FleetError(
      `${variable} in ${file} cannot be set here: make up sets it for each service. Remove it.`,
    );
}
