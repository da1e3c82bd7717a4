/**
 * Writes the settings of the config schemas into docs/operations/settings.md and .env.example.
 * `--check` writes nothing and exits 1 when either is stale.
 */
import { hostname } from 'node:os';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serverSettings } from '@muniment/server';
import { settings as auditSettings } from '../services/audit/config.ts';
import { settings as fileSettings } from '../services/file/config.ts';
import { settings as userSettings } from '../services/user/config.ts';

/** The part of a setting's JSON schema that the reference shows. */
interface Setting {
  description?: string;
  default?: string | number | boolean;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  anyOf?: readonly { const?: unknown }[];
  writeOnly?: boolean;
}

interface Section {
  title: string;
  names: readonly string[];
  settings: Readonly<Record<string, Setting>>;
  required: ReadonlySet<string>;
}

export interface Rendered {
  table: string;
  env: string;
}

const BEGIN = '<!-- settings: begin (made by scripts/settings-reference.ts) -->';
const END = '<!-- settings: end -->';
const root = join(import.meta.dirname, '..');
const reference = join(root, 'docs/operations/settings.md');
const envExample = join(root, '.env.example');

const common = new Set(Object.keys(serverSettings));
const schemas = [
  ['User service', userSettings],
  ['File service', fileSettings],
  ['Audit service', auditSettings],
] as const;

/** The settings that all services share, then those of each service. */
function sections(): Section[] {
  const shared = {
    settings: userSettings.properties as Record<string, Setting>,
    required: new Set(userSettings.required),
  };
  const own = schemas.map(([title, schema]): Section => {
    const settings = schema.properties as Record<string, Setting>;
    return {
      title,
      names: Object.keys(settings).filter((name) => !common.has(name)),
      settings,
      required: new Set(schema.required),
    };
  });
  return [
    { title: 'All services', names: [...common], ...shared },
    ...own.filter(({ names }) => names.length > 0),
  ];
}

/** The default as text: undefined for a required setting, empty for one without default. */
function defaultOf(section: Section, name: string): string | undefined {
  const setting = section.settings[name];
  if (setting?.default !== undefined)
    return `${setting.default}`.replace(`${hostname()}-${process.pid}`, '<host>-<pid>');
  return section.required.has(name) ? undefined : '';
}

function allowed({ anyOf, minimum, maximum, pattern }: Setting): string {
  if (anyOf) return anyOf.map(({ const: value }) => `\`${String(value)}\``).join(', ');
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${minimum} or more`;
  return pattern === undefined ? '' : `\`${pattern.replaceAll('|', '\\|')}\``;
}

function tableOf(section: Section): string {
  const rows = section.names.map((name) => {
    const setting = section.settings[name] ?? {};
    const byDefault = defaultOf(section, name);
    const shown =
      byDefault === undefined ? '**required**' : byDefault === '' ? 'none' : `\`${byDefault}\``;
    const meaning = `${setting.description ?? ''}${setting.writeOnly ? ' Secret.' : ''}`;
    return `| \`${name}\` | ${shown} | ${allowed(setting)} | ${meaning} |`;
  });
  return [
    `### ${section.title}`,
    '',
    '| Variable | Default | Allowed | Meaning |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function envOf(section: Section): string {
  const lines = section.names.flatMap((name) => {
    const byDefault = defaultOf(section, name);
    // A required variable is uncommented and empty, so a service without it stops with its name.
    const line = byDefault === undefined ? `${name}=` : `#${name}=${byDefault}`;
    return [`# ${section.settings[name]?.description ?? ''}`, line];
  });
  return [`# ---- ${section.title}`, ...lines].join('\n');
}

const ENV_HEAD = `# The settings of the services with their defaults.
# Made by scripts/settings-reference.ts from the config schemas: edit a copy, not this file.
# make reads the copy \`.env\` in the checkout. The command line and the environment win over it.
# REPLICAS, PORT (the gateway's), TLS_PORT, DATA, LIMITS and LOG_DAYS of \`make up\` can stand there too.
# \`make up\` refuses unknown names, and what it sets itself: stores, keys and the mail server.
# docker-compose.yml passes them too, except a few that docs/operations/settings.md names.
# For one service run by hand: node --env-file=<another copy> services/<service>/server.ts
# PORT, REPLICA and DATABASE_URL differ for each service.`;

/** The content of the two generated places. */
export function renderReference(): Rendered {
  const all = sections();
  return {
    table: `${BEGIN}\n\n${all.map(tableOf).join('\n\n')}\n\n${END}`,
    env: `${[ENV_HEAD, ...all.map(envOf)].join('\n\n')}\n`,
  };
}

/**
 * Replaces the text between the markers.
 * @throws Error when a marker is missing
 */
export function withTable(text: string, table: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error('docs/operations/settings.md lacks the markers of the settings reference');
  return text.slice(0, begin) + table + text.slice(end + END.length);
}

async function main(check: boolean): Promise<void> {
  const { table, env } = renderReference();
  for (const [file, wanted] of [
    [reference, withTable(await readFile(reference, 'utf8'), table)],
    [envExample, env],
  ] as const) {
    const present = await readFile(file, 'utf8').catch(() => '');
    if (present === wanted) continue;
    if (check) {
      console.error(
        `${file.slice(root.length + 1)} is stale: run node scripts/settings-reference.ts`,
      );
      process.exitCode = 1;
    } else await writeFile(file, wanted);
  }
}

if (import.meta.main)
  await main(parseArgs({ options: { check: { type: 'boolean', default: false } } }).values.check);
