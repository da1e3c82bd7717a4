import { test } from 'tap';
import { explainStatements, recordStatements } from '@muniment/testing';
import { build } from '../build.ts';
import { insertCrowd } from './crowd.ts';
import {
  FIND_MIDDLE,
  FIND_SOMEBODY,
  listLookUps,
  listPages,
  listSearches,
  type Somebody,
} from './directory-reads.ts';

/** `make test-long` says a million. */
const CROWD = Number(process.env['CROWD'] ?? 20_000);
/**
 * Pages of 8 KiB that one statement reads at most: each user of 20,000 terms from the table. Among
 * a million users it is 15,500, by two filters; the faults of decision 50 read 93,000 and more.
 */
const MAX_PAGES = 22_000;

test('no list, look-up, count or search scans its table or reads past its bound', async (t) => {
  const server = await build(t);
  const { rows } = server;
  await insertCrowd([rows], CROWD);
  const [middle] = await rows<{ id: string }>(FIND_MIDDLE);
  const [somebody] = await rows<Somebody>(FIND_SOMEBODY, [middle?.id]);
  if (!somebody) throw new Error('the crowd is empty');
  const oldest = 'select id from identity.users order by created limit 200';
  const ids = (await rows<{ id: string }>(oldest)).map(({ id }) => id);
  const reads = {
    ...listPages(somebody),
    ...listLookUps(somebody, ids),
    ...listSearches(somebody),
  };
  for (const [name, read] of Object.entries(reads)) {
    const statements = await recordStatements(server.context.data.db, read);
    t.ok(statements.length > 0, name);
    for (const { plan, pagesRead, isGeneric } of await explainStatements(rows, statements)) {
      const which = `${name}, ${isGeneric ? 'planned once' : 'planned with its values'}`;
      const isBounded = !plan.includes('"Seq Scan"') && pagesRead <= MAX_PAGES;
      if (!t.ok(isBounded, `${which}: ${pagesRead} pages`)) t.comment(plan);
    }
  }
});
