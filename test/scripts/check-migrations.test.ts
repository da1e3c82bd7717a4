import { test, type Test } from 'tap';
import { checkMigrations } from '../../scripts/check-migrations.ts';
import { asSuperuser, createEmptyDatabase } from '../../packages/database/test/empty-database.ts';

const KYSELY = JSON.stringify(import.meta.resolve('kysely'));

/** A migration of these statements. Its `down` is never run. */
const migration = (statements: readonly string[], exported = ''): string => `
  import { sql } from ${KYSELY};
  ${exported}
  export async function up(db) {
    for (const text of ${JSON.stringify(statements)}) await sql.raw(text).execute(db);
  }
  export async function down() {}`;

const BASE = migration([
  'create table a (id integer, name varchar(20), parent integer)',
  'create table b (id integer primary key)',
  'create table p (id integer) partition by range (id)',
  'create table p_1 partition of p for values from (0) to (10)',
  'create view v as select id, name from a',
  `create function f(x integer) returns integer language sql as 'select x'`,
]);

/** Checks migrations that follow the base; keys sort in their order. */
async function check(t: Test, files: Record<string, string>, known = {}): Promise<string[]> {
  const database = await createEmptyDatabase(t);
  await asSuperuser('grant create on schema public to migrator', database.name);
  const folder = t.testdir({ '0001_base.ts': BASE, ...files });
  return checkMigrations(database.url('migrator'), [{ name: 'probe', folder }], known);
}

const BAD: Readonly<Record<string, { statements: string[]; says: RegExp }>> = {
  'an index': {
    statements: ['create index a_id on a (id)'],
    says: /builds an index on public\.a /,
  },
  'an index hidden in a block': {
    statements: ['do $$ begin create index a_id on a (id); end $$'],
    says: /builds an index on public\.a /,
  },
  'an index of a partitioned table': {
    statements: ['create index p_id on p (id)'],
    says: /builds an index on public\.p_1 /,
  },
  'a unique constraint': {
    statements: ['alter table a add constraint a_unique unique (id)'],
    says: /builds an index on public\.a /,
  },
  'a check': {
    statements: ['alter table a add constraint positive check (id > 0)'],
    says: /scans public\.a .*NOT VALID/,
  },
  'a check that is validated at once': {
    statements: [
      'alter table a add constraint positive check (id > 0) not valid',
      'alter table a validate constraint positive',
    ],
    says: /scans public\.a /,
  },
  'a foreign key': {
    statements: ['alter table a add constraint a_b foreign key (parent) references b (id)'],
    says: /checks all rows for the foreign key a_b; add it NOT VALID/,
  },
  'SET NOT NULL': { statements: ['alter table a alter id set not null'], says: /scans public\.a / },
  'a type that rewrites': {
    statements: [
      'drop view v',
      'alter table a alter id type bigint',
      'create view v as select id, name from a',
    ],
    says: /rewrites public\.a /,
  },
  'a type that only the former version would miss': {
    statements: ['alter table b alter id type oid using id::oid'],
    says: /column public\.b\.id was integer and becomes oid/,
  },
  'a volatile default': {
    statements: ['alter table a add column token uuid default gen_random_uuid()'],
    says: /rewrites public\.a /,
  },
  'a dropped column': {
    statements: ['alter table a drop column parent'],
    says: /column public\.a\.parent is dropped or renamed/,
  },
  'a renamed column': {
    statements: ['alter table a rename column parent to mother'],
    says: /column public\.a\.parent is dropped or renamed/,
  },
  'a renamed table': {
    statements: ['alter table b rename to c'],
    says: /table public\.b is dropped or renamed/,
  },
  'a dropped view': { statements: ['drop view v'], says: /view public\.v is dropped/ },
  'a dropped function': {
    statements: ['drop function f(integer)'],
    says: /function public\.f\(x integer\) is dropped/,
  },
  'a column that former versions do not name': {
    statements: ['alter table a add column owner integer not null'],
    says: /column public\.a\.owner is NOT NULL without a default/,
  },
};

for (const [what, { statements, says }] of Object.entries(BAD))
  test(`${what} fails`, async (t) => {
    const faults = await check(t, { '0002_bad.ts': migration(statements) });
    t.ok(faults.length > 0);
    t.ok(
      faults.every((fault) => fault.startsWith('probe/0002_bad: ')),
      faults.join('\n'),
    );
    t.match(faults.join('\n'), says);
  });

test('changes that stop nobody pass', async (t) => {
  const expand = migration([
    'alter table a add column note text',
    `alter table a add column kind text not null default 'plain'`,
    'alter table a add column since timestamptz default now()',
    'create table c (id integer primary key, a_id integer, parent integer references b (id))',
    'create index c_a on c (a_id)',
    'alter table c add constraint c_positive check (id > 0)',
    'alter table a add constraint positive check (id > 0) not valid',
    'alter table a add constraint named check (name is not null) not valid',
    'alter table a add constraint a_b foreign key (parent) references b (id) not valid',
    'create index p_id on only p (id)',
    'drop view v',
    'create view v as select id, name, note from a',
  ]);
  const validate = migration([
    'alter table a validate constraint positive',
    'alter table a validate constraint named',
    'alter table a validate constraint a_b',
  ]);
  const index = migration(
    ['drop index concurrently if exists a_id', 'create index concurrently a_id on a (id)'],
    'export const transaction = false;',
  );
  t.strictSame(
    await check(t, {
      '0002_expand.ts': expand,
      '0003_validate.ts': validate,
      '0004_require.ts': migration(['alter table a alter name set not null']),
      '0005_index.ts': index,
    }),
    [],
  );
});

test('a contract may drop what it says nothing uses, and still not block', async (t) => {
  const contract = `export const contract = 'nothing reads it since 0.2.0';`;
  const faults = await check(t, {
    '0002_drop.ts': migration(['alter table a drop column parent'], contract),
    '0003_index.ts': migration(['create index a_id on a (id)'], contract),
  });
  t.match(faults, [/^probe\/0003_index: builds an index/]);
  t.equal(faults.length, 1);
});

test('without a transaction only indexes are built and dropped, repeatably', async (t) => {
  const exported = 'export const transaction = false;';
  const statements = ['create index a_id on a (id)', 'alter table a add column x text'];
  const faults = await check(t, { '0002_bad.ts': migration(statements, exported) });
  t.match(faults, [/outside a transaction: create index a_id/, /outside a transaction: alter/]);
});

test('a migration without a way back says why', async (t) => {
  const up = 'export async function up() {}';
  t.match(
    await check(t, { '0002_a.ts': up, '0003_b.ts': `export const forwardOnly = 'x'; ${up}` }),
    [/^probe\/0002_a: has no down/],
  );
});

test('known migrations pass, and one that breaks no rule may not be listed', async (t) => {
  const files = { '0002_bad.ts': migration(['create index a_id on a (id)']) };
  t.strictSame(await check(t, files, { 'probe/0002_bad': 'the table is empty' }), []);
  t.match(await check(t, {}, { 'probe/0001_base': 'it is not' }), [
    /^probe\/0001_base: is listed as known and breaks no rule/,
  ]);
});
