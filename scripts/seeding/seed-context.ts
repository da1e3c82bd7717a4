import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { writeAtomically } from '@muniment/cluster';
import pg from 'pg';
import type { RequestContext } from '@muniment/server';
import { accountDeleted } from '../../services/user/account/account-events.ts';
import { buildApp } from '../../services/user/app.ts';
import { readConfig } from '../../services/user/config.ts';
import type { UserContext } from '../../services/user/context.ts';
import { signUp } from '../../services/user/sign-in/sign-up.ts';
import { deleteUser, lockUser } from '../../services/user/users/user-queries.ts';
import type { FleetFacts } from '../commands/fleet-facts.ts';
import { openCaller, type Caller } from './gateway.ts';
import type { Person } from './people.ts';

/** What a seeder works with. */
export interface SeedContext {
  /** How many users to make, by USERS. */
  users: number;
  /** Which data to make, by SEED. */
  seed: number;
  /** The password of all people. */
  password: string;
  /** The file that holds it, as a path from here. */
  passwordFile: string;
  /** Of the gateway. */
  url: string;
  /** A person's connection to the gateway. */
  connect(person: Person): Caller;
  /** Creates an account with its event and session, without the limits. @returns its token */
  signUp(person: Person): Promise<string>;
  /** Deletes an account with its event; files and personal values follow. */
  deleteAccount(id: string): Promise<void>;
  /** Reads, to find out what exists. */
  query<Row extends object>(text: string, values: unknown[]): Promise<Row[]>;
  report(line: string): void;
}

/** A seeder: `up` makes what is missing, `down` removes it. Both may run again at any time. */
export interface Seeder {
  up(context: SeedContext): Promise<void>;
  down(context: SeedContext): Promise<void>;
}

/** Made once for each fleet, so that nobody can sign in by a password that stands in a page. */
function readPassword(file: string): string {
  if (!existsSync(file)) writeAtomically(file, `${randomBytes(15).toString('base64url')}\n`);
  return readFileSync(file, 'utf8').trim();
}

/** From here, where it is below here. */
function shortPath(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith('..') ? file : path;
}

const requestOf = ({ ip, userAgent }: Pick<Person, 'ip' | 'userAgent'>): RequestContext => ({
  id: randomBytes(16).toString('hex'),
  ip,
  headers: { 'user-agent': userAgent },
  principal: null,
  traceparent: null,
});

/**
 * The user service's own functions in this process. All accounts share one hash: of 5,000
 * passwords the hashes alone would take minutes.
 */
async function buildService(fleet: FleetFacts, password: string): Promise<UserContext> {
  const service = await buildApp(
    readConfig({
      ...fleet.environments.user,
      REPLICA: `seed-${process.pid}`,
      LOG_LEVEL: 'warn',
      LIMITS: 'off',
    }),
  );
  const hash = await service.passwords.hash(password, { role: 'vendor', email: 'demo' });
  return { ...service, passwords: { ...service.passwords, hash: async () => hash } };
}

async function deleteAccount({ data }: UserContext, id: string): Promise<void> {
  const request = requestOf({ ip: '127.0.0.1', userAgent: 'make seed-down' });
  await data.inTransaction(request, async (trx, record) => {
    if (!(await lockUser(trx, id))) return;
    await deleteUser(trx, id);
    await record({ ...accountDeleted(id), subject: { userId: id } });
  });
}

/** Opens what seeders work with, and closes it after `work`. */
export async function withSeedContext(
  fleet: FleetFacts,
  { users, seed }: Pick<SeedContext, 'users' | 'seed'>,
  work: (context: SeedContext) => Promise<void>,
): Promise<void> {
  const secrets = dirname(fleet.environments.user.MASTER_KEY_FILE ?? '');
  const passwordFile = join(secrets, 'demo-password');
  const password = readPassword(passwordFile);
  const service = await buildService(fleet, password);
  const pool = new pg.Pool({ connectionString: fleet.postgres.url, max: 2 });
  try {
    await work({
      users,
      seed,
      password,
      passwordFile: shortPath(passwordFile),
      url: fleet.gateway.http,
      connect: (person) => openCaller(fleet.gateway.http, person),
      async signUp(person) {
        const { email, first_name, last_name, type } = person;
        const registration = { email, password, first_name, last_name, type };
        return (await signUp(service, requestOf(person), { registration })).tokens.token;
      },
      deleteAccount: (id) => deleteAccount(service, id),
      query: async (text, values) => (await pool.query(text, values)).rows,
      report: (line) => console.log(line),
    });
  } finally {
    await pool.end();
    await service.http.app.close();
  }
}
