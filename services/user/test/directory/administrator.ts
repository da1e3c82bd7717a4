import { until } from '@muniment/testing';
import type { SignedIn, TestServer } from '../build.ts';

/** An administrator or auditor, signed in. */
export async function registerAs(
  { context, register, rows }: TestServer,
  type: 'admin' | 'auditor' = 'admin',
  email = `${type}@example.com`,
): Promise<SignedIn> {
  const signedIn = await register(email, 'a long enough password');
  await rows('update identity.users set type = $2 where id = $1', [signedIn.user.id, type]);
  await until(() => context.auth.revocations.userChangedAt(signedIn.user.id) !== undefined);
  return signedIn;
}

/** Inserts people as an import leaves them. @returns their ids, oldest first */
export async function insertPeople(
  { rows }: Pick<TestServer, 'rows'>,
  people: readonly Record<string, unknown>[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, person] of people.entries()) {
    const id = `01900000-0000-7000-8000-${String(index + 1).padStart(12, '0')}`;
    const email = `person-${index + 1}@example.org`;
    const row = {
      id,
      email,
      email_key: person['email'] ?? email,
      created: `2026-01-01T00:00:${String(index % 60).padStart(2, '0')}.000001Z`,
      ...person,
    };
    const names = Object.keys(row);
    await rows(
      `insert into identity.users (${names.join(', ')})
       values (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
      Object.values(row),
    );
    ids.push(id);
  }
  return ids;
}
