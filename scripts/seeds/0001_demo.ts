import { randomUUID } from 'node:crypto';
import { emailKey } from '@muniment/security';
import { createDocument, type Document } from '../seeding/documents.ts';
import { createPerson, domainOf, type Person } from '../seeding/people.ts';
import { runParallel } from '../seeding/run-parallel.ts';
import type { SeedContext } from '../seeding/seed-context.ts';

/** What each replica works on at once, with room for others. */
const CONCURRENCY = 8;
const MAX_DOCUMENTS = 6;

interface Tally {
  users: number;
  files: number;
}

/** What this seed has already made: by the address's key, the names of the person's files. */
async function findMade({ query, seed }: SeedContext): Promise<Map<string, Set<string>>> {
  const rows = await query<{ email_key: string; names: string[] }>(
    `select u.email_key, coalesce(array_agg(f.name) filter (where f.id is not null), '{}') as names
     from identity.users u
     left join files.files f on f.user_id = u.id and f.status = 'ready'
     where u.email_key like '%@' || $1 group by u.email_key`,
    [domainOf(seed)],
  );
  return new Map(rows.map(({ email_key, names }) => [email_key, new Set(names)]));
}

/** Most people keep a few documents, some none. */
function documentsOf({ random }: Person): Document[] {
  const count = Math.min(random.integer(0, MAX_DOCUMENTS), random.integer(0, MAX_DOCUMENTS));
  return Array.from({ length: count }, (_, n) => createDocument(random, n + 1));
}

async function upload(
  { call }: SeedContext,
  token: string,
  { name, type, bytes }: Document,
): Promise<string> {
  const form = new FormData();
  form.append('file', new File([bytes], name, { type }));
  const answer = await call('POST', '/api/files', { token, form, key: randomUUID() });
  return ((await answer.json()) as { id: string }).id;
}

async function logIn({ call, password }: SeedContext, { email }: Person): Promise<string> {
  const answer = await call('POST', '/api/users/login', { json: { email, password } });
  return ((await answer.json()) as { token: string }).token;
}

/** What people do beside uploading: they give their name, read, throw away, log out. */
async function act(
  context: SeedContext,
  { first_name, last_name, random }: Person,
  { token, files }: { token: string; files: readonly string[] },
): Promise<void> {
  const { call } = context;
  if (random.chance(0.3)) {
    const name = `${first_name} ${last_name}`;
    await call('PATCH', '/api/users/me', { token, json: { name } });
  }
  for (const id of files)
    if (random.chance(0.4)) await (await call('GET', `/api/files/${id}`, { token })).bytes();
  if (random.chance(0.1)) {
    const bytes = Buffer.from('To be thrown away.\n');
    const draft = { name: 'scratch.txt', type: 'text/plain', bytes };
    await call('DELETE', `/api/files/${await upload(context, token, draft)}`, { token });
  }
  if (random.chance(0.75)) await call('POST', '/api/auth/logout', { token });
}

/** Makes what is missing of a person. One who is complete does nothing more. */
async function seedPerson(
  context: SeedContext,
  n: number,
  { made, tally }: { made: ReadonlyMap<string, ReadonlySet<string>>; tally: Tally },
): Promise<void> {
  const person = createPerson(context.seed, n);
  const documents = documentsOf(person);
  const existing = made.get(emailKey(person.email));
  const missing = documents.filter(({ name }) => !existing?.has(name));
  if (existing && missing.length === 0) return;
  const token = existing ? await logIn(context, person) : await context.signUp(person);
  if (!existing) tally.users += 1;
  const files: string[] = [];
  for (const document of missing) {
    files.push(await upload(context, token, document));
    tally.files += 1;
  }
  if (!existing) await act(context, person, { token, files });
}

/** People of SEED, their files, and the events of what they do. */
export async function up(context: SeedContext): Promise<void> {
  const { users, seed, report } = context;
  const made = await findMade(context);
  const tally: Tally = { users: 0, files: 0 };
  const since = performance.now();
  const onProgress = (done: number): void => {
    const seconds = ((performance.now() - since) / 1_000).toFixed(0);
    report(
      `seed ${seed}: ${done} of ${users} users looked after, ` +
        `${tally.users} users and ${tally.files} files made, ${seconds} s`,
    );
  };
  await runParallel(users, { concurrency: CONCURRENCY, onProgress }, (n) =>
    seedPerson(context, n + 1, { made, tally }),
  );
}

/** Deletes them as an account is deleted. The trail still tells that they were there. */
export async function down(context: SeedContext): Promise<void> {
  const { query, seed, report } = context;
  const ids = await query<{ id: string }>(
    `select id from identity.users where email_key like '%@' || $1 order by id`,
    [domainOf(seed)],
  );
  const onProgress = (done: number): void =>
    report(`seed ${seed}: ${done} of ${ids.length} users deleted`);
  await runParallel(ids.length, { concurrency: CONCURRENCY, onProgress }, (n) =>
    context.deleteAccount(ids[n]?.id ?? ''),
  );
}
