import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@muniment/testing';
import type { Checks } from '../checks.ts';
import type { ContainerFleet } from '../container-fleet.ts';

const USER = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;

/** The operator's commands of docs/operations/run.md, on the running fleet. */
export async function runOperatorCommands(fleet: ContainerFleet, checks: Checks): Promise<void> {
  const { check } = checks;
  const run = (service: string, ...words: string[]): Promise<string> =>
    fleet.compose(['run', '--rm', '--no-deps', service, ...words]);
  const keys = (...words: string[]): Promise<string> =>
    fleet.compose(['run', '--rm', '--no-deps', '--user', USER, 'keys', ...words]);

  const made = await run('user', 'admin', 'EMAIL=admin@example.com');
  const token = /^token +(\S+)/m.exec(made)?.[1] ?? '';
  const answer = await fleet.call('GET', '/api/audit/quarantine', { token });
  check('an administrator is made', answer.status === 200, { made, status: answer.status });

  const rotated = await run('user', 'rotate-keys');
  const active = /^active +(\S+)/m.exec(rotated)?.[1] ?? 'none';
  const signed = await until(async () => (await signingKey(fleet)) === active, {
    what: `new tokens are signed by ${active}`,
    timeoutMs: 30_000,
  }).catch((error: unknown) => String(error));
  check('the keys of access tokens are rotated', signed === true, signed);

  const subjects = await run('audit', 'rotate-subject-keys', 'DAYS=0');
  check('the keys of persons are rotated', /\d+ subjects? ha(s|ve) a new key/.test(subjects));

  const restore = await run('audit', 'restore', 'MONTH=2020_01').catch(String);
  check('restore answers for a month without an archive', /make restore: /.test(restore), restore);

  await rotateMasterKey(fleet, checks, keys);
  await rotateAuditKey(fleet, checks, keys);
}

/** The key that signs a new token, by the token's header. */
async function signingKey(fleet: ContainerFleet): Promise<string> {
  const { token } = await fleet.signUp();
  const header = Buffer.from(token.split('.')[0] ?? '', 'base64url').toString();
  return (JSON.parse(header) as { kid: string }).kid;
}

type Keys = (...words: string[]) => Promise<string>;

/** Replicas see the new file without a restart: what they wrap and unwrap must go on working. */
async function rotateMasterKey(
  fleet: ContainerFleet,
  { check }: Checks,
  keys: Keys,
): Promise<void> {
  const file = join(fleet.folder, 'secrets/master/key');
  const before = readFileSync(file, 'utf8');
  const { token } = await fleet.signUp();
  const said = await keys('rotate-master-key');
  const after = readFileSync(file, 'utf8');
  check('the master key is rotated', before !== after && /keys are wrapped by the new/.test(said));
  const trail = await fleet.call('GET', '/api/audit/logs?limit=5', { token });
  const events = (await trail.json()) as { ip: string | null }[];
  check(
    'personal values are readable afterwards',
    trail.status === 200 && events.length > 0 && events.every(({ ip }) => ip !== null),
    events,
  );
  const fresh = await fleet.signUp().then(
    ({ user }) => user.email,
    (error: unknown) => String(error),
  );
  check('an account is made afterwards', fresh.endsWith('@example.com'), fresh);
}

async function rotateAuditKey(fleet: ContainerFleet, { check }: Checks, keys: Keys): Promise<void> {
  const file = join(fleet.folder, 'secrets/audit/key.pub');
  const before = readFileSync(file, 'utf8').trim();
  await keys('rotate-audit-key', 'OVERLAP=on');
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  check('the key of the audit log is rotated', lines.length === 2 && lines.includes(before), lines);
  await fleet.script(['sh', 'docker/roll.sh', 'audit']);
  const { token } = await fleet.signUp();
  const signatures = await until(
    async () => {
      const note = await (await fleet.call('GET', '/api/audit/checkpoint', { token })).text();
      return note.match(/^\u2014 /gm)?.length === 2;
    },
    { what: 'a checkpoint with two signatures', timeoutMs: 30_000 },
  ).catch((error: unknown) => String(error));
  check('the audit service signs with both keys', signatures === true, signatures);
}
