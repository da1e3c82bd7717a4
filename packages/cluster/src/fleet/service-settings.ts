import { readFileSync } from 'node:fs';

// The plan sets these, so that no shell can lead the local fleet to foreign stores.
const PLANNED =
  /^(HOST|PORT|REPLICA|TRUSTED_PROXIES|(MASTER_KEY|GATEWAY_SECRET|METRICS_TOKEN)_FILE|FILE_SERVICE_URLS|SMTP_URL|MAIL_FROM|AWS_[A-Z_]+|([A-Z_]+_)?DATABASE_(DIRECT_)?URL|KINESIS_(ENDPOINT|STREAM)|S3_(ENDPOINT|BUCKET)|AUDIT_(S3_ENDPOINT|BUCKET|KEY_FILE))$/;

/** Whether `make up` sets this service setting itself. */
export function isPlannedSetting(name: string): boolean {
  return PLANNED.test(name);
}

/** The names in .env.example, which is generated from the config schemas. */
export function serviceSettingNames(example: string): Set<string> {
  const text = readFileSync(example, 'utf8');
  return new Set(Array.from(text.matchAll(/^#?([A-Z][A-Z0-9_]*)=/gm), ([, name]) => name ?? ''));
}

/** The settings of an environment that are passed on to the services. Empty ones are absent. */
export function readServiceSettings(
  environment: NodeJS.ProcessEnv,
  example: string,
): Record<string, string> {
  const names = serviceSettingNames(example);
  return Object.fromEntries(
    Object.entries(environment)
      .filter((entry): entry is [string, string] => Boolean(entry[1]))
      .filter(([name]) => names.has(name) && !isPlannedSetting(name))
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}
