import type { UserContext } from '../../context.ts';
import { findPeopleAfter } from '../../users/directory-queries.ts';
import type { DirectoryUser } from '../../users/directory-resource.ts';

/** Some 200 KiB, and few milliseconds in which no other request is answered. */
const PAGE_SIZE = 500;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/**
 * Lists all people by id, a statement a page, so that an export of a million holds no snapshot and
 * no connection. Somebody who is created meanwhile may be in it.
 */
export async function* listEverybody(
  db: UserContext['data']['db'],
): AsyncGenerator<readonly DirectoryUser[]> {
  let after = BEFORE_ALL;
  for (;;) {
    const page = await findPeopleAfter(db, after, PAGE_SIZE);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (!last || page.length < PAGE_SIZE) return;
    after = last.id;
  }
}
