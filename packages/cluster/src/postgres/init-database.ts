import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FleetError } from '../errors.ts';
import type { PostgresRuntime } from './unprivileged.ts';

/**
 * Creates the data folder when absent. Without `password`, for tests, every connection is trusted.
 * It is created under another name, so that a killed initdb leaves no half database.
 */
export function initDatabase(
  runtime: PostgresRuntime,
  options: { password?: string; durable: boolean },
): void {
  const { dataDir, native, prefix, owner, user } = runtime;
  if (existsSync(path.join(dataDir, 'PG_VERSION'))) return;
  const fresh = `${dataDir}.new`;
  const pwfile = `${dataDir}.pw`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  const auth =
    options.password === undefined
      ? ['-A', 'trust']
      : ['-A', 'scram-sha-256', `--pwfile=${pwfile}`];
  try {
    if (options.password !== undefined)
      writeFileSync(pwfile, `${options.password}\n`, { mode: 0o600 });
    if (owner)
      for (const made of options.password === undefined ? [fresh] : [fresh, pwfile])
        chownSync(made, owner.uid, owner.gid);
    const words = [
      ...prefix,
      `${native}/bin/initdb`,
      '-D',
      fresh,
      '-U',
      'postgres',
      ...auth,
      '-E',
      'UTF8',
      '--locale=C.UTF-8',
      '--no-instructions',
    ];
    const [command = '', ...args] = options.durable ? words : [...words, '--no-sync'];
    const run = spawnSync(command, args, {
      ...user,
      cwd: '/',
      encoding: 'utf8',
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
    });
    if (run.status !== 0)
      throw new FleetError(
        `initdb failed. Correct the cause and try again:\n${run.error?.message ?? `${run.stdout}${run.stderr}`.trim()}`,
      );
    renameSync(fresh, dataDir); // Fails when the folder exists and is not empty.
  } finally {
    rmSync(pwfile, { force: true });
    rmSync(fresh, { recursive: true, force: true });
  }
}
