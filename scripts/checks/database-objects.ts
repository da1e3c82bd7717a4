import { sql, type Kysely } from 'kysely';

/** What services of the previous version may use, by identity: `column identity.users.email`. */
export interface DatabaseObjects {
  /** Each with its type. */
  columns: Map<string, string>;
  /** Columns that an INSERT must name. */
  required: Set<string>;
  /** Tables, views and functions. */
  others: Set<string>;
  /** Tables by oid, each as `schema.name`. */
  tables: Map<number, string>;
}

const OURS = sql`n.nspname not like 'pg\\_%'
  and n.nspname not in ('information_schema', 'migrations')`;

async function readColumns(
  db: Kysely<unknown>,
): Promise<{ name: string; type: string; required: boolean }[]> {
  const { rows } = await sql<{ name: string; type: string; required: boolean }>`
    select 'column ' || n.nspname || '.' || c.relname || '.' || a.attname as name,
      format_type(a.atttypid, a.atttypmod) as type,
      a.attnotnull and not a.atthasdef and a.attidentity = '' and c.relkind in ('r', 'p')
        as required
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where ${OURS} and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0
      and not a.attisdropped`.execute(db);
  return rows;
}

async function readOthers(db: Kysely<unknown>): Promise<Set<string>> {
  const { rows } = await sql<{ name: string }>`
    select case c.relkind when 'v' then 'view ' else 'table ' end
      || n.nspname || '.' || c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${OURS} and c.relkind in ('r', 'p', 'v', 'm')
    union all
    select 'function ' || n.nspname || '.' || p.proname || '('
      || pg_get_function_identity_arguments(p.oid) || ')'
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where ${OURS} and p.prokind in ('f', 'p') and p.prorettype <> 'trigger'::regtype`.execute(db);
  return new Set(rows.map(({ name }) => name));
}

async function readTables(db: Kysely<unknown>): Promise<Map<number, string>> {
  const { rows } = await sql<{ oid: number; name: string }>`
    select c.oid::int8 as oid, n.nspname || '.' || c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${OURS} and c.relkind in ('r', 'p')`.execute(db);
  return new Map(rows.map(({ oid, name }) => [oid, name]));
}

export async function readDatabaseObjects(db: Kysely<unknown>): Promise<DatabaseObjects> {
  const columns = await readColumns(db);
  return {
    columns: new Map(columns.map(({ name, type }) => [name, type])),
    required: new Set(columns.filter(({ required }) => required).map(({ name }) => name)),
    others: await readOthers(db),
    tables: await readTables(db),
  };
}

const tableOf = (column: string): string => column.slice('column '.length, column.lastIndexOf('.'));

/** What the previous version's services would miss or could not write any more. */
export function findBreaks(before: DatabaseObjects, after: DatabaseObjects): string[] {
  const earlier = new Set(before.tables.values());
  const gone = [...before.others].filter((name) => !after.others.has(name));
  const goneTables = gone.map((name) => name.replace(/^(table|view) /, ''));
  const goneColumns = [...before.columns.keys()].filter(
    (name) => !after.columns.has(name) && !goneTables.includes(tableOf(name)),
  );
  const retyped = [...before.columns].filter(
    ([name, type]) => (after.columns.get(name) ?? type) !== type,
  );
  const demanded = [...after.required].filter(
    (name) => !before.columns.has(name) && earlier.has(tableOf(name)),
  );
  return [
    ...[...gone, ...goneColumns].map((name) => `${name} is dropped or renamed`),
    ...retyped.map(([name, type]) => `${name} was ${type} and becomes ${after.columns.get(name)}`),
    ...demanded.map((name) => `${name} is NOT NULL without a default`),
  ];
}
