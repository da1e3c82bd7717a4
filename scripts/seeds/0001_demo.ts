import { randomUUID } from 'node:crypto';
import { emailKey } from '@muniment/security';
import type { Document } from '../seeding/documents.ts';
import type { Caller } from '../seeding/gateway.ts';
import { createPerson, domainOf, type Person } from '../seeding/people.ts';
import { runParallel } from '../seeding/run-parallel.ts';
import type { SeedContext } from '../seeding/seed-context.ts';

/** People worked on at once: few enough to leave the fleet room for other requests. */
const CONCURRENCY = 8;

interface Tally {
  users: number;
  profiles: number;
  files: number;
}

/** What a person has already. */
interface Made {
  hasProfile: boolean;
  fileNames: ReadonlySet<string>;
}

/** What a person lacks; nothing where an earlier run was not interrupted. */
interface Missing {
  person: Person;
  isNew: boolean;
  company: Person['company'];
  documents: readonly Document[];
}

/** What this seed has already made, by the addresses' keys. */
async function findMade({ query, seed }: SeedContext): Promise<Map<string, Made>> {
  const rows = await query<{ email_key: string; has_profile: boolean; names: string[] }>(
    `select u.email_key,
       exists (select from identity.vendor_profiles p where p.user_id = u.id) as has_profile,
       array(select f.name from files.files f where f.user_id = u.id and f.status = 'ready') as names
     from identity.users u where u.email_key like '%@' || $1`,
    [domainOf(seed)],
  );
  return new Map(
    rows.map(({ email_key, has_profile: hasProfile, names }) => [
      email_key,
      { hasProfile, fileNames: new Set(names) },
    ]),
  );
}

function findMissing(found: ReadonlyMap<string, Made>, person: Person): Missing | undefined {
  const made = found.get(emailKey(person.email));
  const company = made?.hasProfile ? undefined : person.company;
  const documents = person.documents.filter(({ name }) => !made?.fileNames.has(name));
  if (made && !company && documents.length === 0) return undefined;
  return { person, isNew: made === undefined, company, documents };
}

async function upload({ call }: Caller, token: string, file: Document): Promise<string> {
  const body = await call('POST', '/api/files', { token, file, key: randomUUID() });
  return (JSON.parse(body.toString()) as { id: string }).id;
}

async function logIn(
  { call }: Caller,
  { email }: Person,
  { password }: SeedContext,
): Promise<string> {
  const body = await call('POST', '/api/users/login', { json: { email, password } });
  return (JSON.parse(body.toString()) as { token: string }).token;
}

/** What people do beside uploading: they give their name, read, throw away, log out. */
async function act(
  caller: Caller,
  { first_name, last_name, random }: Person,
  { token, files }: { token: string; files: readonly string[] },
): Promise<void> {
  const { call } = caller;
  if (random.chance(0.3)) {
    const name = `${first_name} ${last_name}`;
    await call('PATCH', '/api/users/me', { token, json: { name } });
  }
  for (const id of files) if (random.chance(0.4)) await call('GET', `/api/files/${id}`, { token });
  if (random.chance(0.1)) {
    const render = (): Buffer => Buffer.from('To be thrown away.\n');
    const draft = { name: 'scratch.txt', type: 'text/plain', render };
    await call('DELETE', `/api/files/${await upload(caller, token, draft)}`, { token });
  }
  if (random.chance(0.75)) await call('POST', '/api/auth/logout', { token });
}

async function seedPerson(
  context: SeedContext,
  { person, isNew, company, documents }: Missing,
  tally: Tally,
): Promise<void> {
  const caller = context.connect(person);
  try {
    const token = await (isNew ? context.signUp(person) : logIn(caller, person, context));
    if (isNew) tally.users += 1;
    if (company) {
      const key = randomUUID();
      await caller.call('POST', '/api/vendor-profiles', { token, json: company, key });
      tally.profiles += 1;
    }
    const files: string[] = [];
    for (const document of documents) {
      files.push(await upload(caller, token, document));
      tally.files += 1;
    }
    if (isNew) await act(caller, person, { token, files });
  } finally {
    caller.close();
  }
}

const count = (value: number): string => value.toLocaleString('en');

/** As `1 min 40 s`. */
function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** People of SEED, their companies and files, and the events of what they do. */
export async function up(context: SeedContext): Promise<void> {
  const { users, seed, report } = context;
  const found = await findMade(context);
  const missingOf = (n: number): Missing | undefined => findMissing(found, createPerson(seed, n));
  const numbers = Array.from({ length: users }, (_, index) => index + 1);
  const incomplete = found.size === 0 ? numbers : numbers.filter((n) => missingOf(n));
  const tally: Tally = { users: 0, profiles: 0, files: 0 };
  const tell = startTelling(context, incomplete.length, tally);
  await runParallel(
    incomplete.length,
    { concurrency: CONCURRENCY, onProgress: tell.progress },
    async (index) => {
      const missing = missingOf(incomplete[index] ?? 0);
      if (missing) await seedPerson(context, missing, tally);
    },
  );
  tell.end();
  const { email } = createPerson(seed, 1);
  report(`All have the password in ${context.passwordFile}, as ${email} for example.`);
  report(`Try it at ${context.url}/api/docs.`);
}

/** Says what is made, and how long the rest will take. */
function startTelling({ users, seed, report }: SeedContext, incomplete: number, tally: Tally) {
  const since = performance.now();
  const complete = users - incomplete;
  if (complete > 0)
    report(`seed ${seed}: ${count(complete)} of ${count(users)} users are complete`);
  return {
    progress(done: number): void {
      const ms = performance.now() - since;
      const left = formatDuration((ms / done) * (incomplete - done));
      report(
        `seed ${seed}: ${count(complete + done)} of ${count(users)} users, ` +
          `${count(tally.files)} files, ${formatDuration(ms)}` +
          (done > 0 ? `, about ${left} left` : ''),
      );
    },
    end(): void {
      const made =
        `${count(tally.users)} users, ${count(tally.profiles)} vendor profiles and ` +
        `${count(tally.files)} files`;
      report(`seed ${seed}: made ${made} in ${formatDuration(performance.now() - since)}`);
    },
  };
}

/** Deletes them as an account is deleted. The trail still tells that they were there. */
export async function down(context: SeedContext): Promise<void> {
  const { query, seed, report } = context;
  const ids = await query<{ id: string }>(
    `select id from identity.users where email_key like '%@' || $1 order by id`,
    [domainOf(seed)],
  );
  const tell = (done: number): void =>
    report(`seed ${seed}: ${count(done)} of ${count(ids.length)} users deleted`);
  await runParallel(ids.length, { concurrency: CONCURRENCY, onProgress: tell }, (n) =>
    context.deleteAccount(ids[n]?.id ?? ''),
  );
  tell(ids.length);
}
