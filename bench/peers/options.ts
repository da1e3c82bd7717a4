export const OPERATIONS = [
  'profile',
  'login',
  'upload-64k',
  'upload-16m',
  'download-64k',
  'download-16m',
  'list-50',
  'audit-write',
  'audit-page',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export const TARGETS = ['directus', 'parse-server', 'bare-fastify', 'muniment'] as const;
export type TargetName = (typeof TARGETS)[number];

export interface Options {
  targets: TargetName[];
  operations: Operation[];
  /** Length of a measurement. */
  seconds: number;
  /** Length of the load before each measurement. */
  warmup: number;
  /** Length of the first load on each target, which compiles its code. */
  burnIn: number;
  rounds: number;
  /** Requests under way at a time. */
  concurrency: number;
  /** The same for files of 16 MiB. */
  largeConcurrency: number;
  /** Directus delays every sign-in to this, against timing attacks. Default: its own. */
  loginStallMs: number;
}

/** Reads the environment. @throws Error that names a bad variable and what it may be */
export function readOptions(environment: NodeJS.ProcessEnv): Options {
  const number = (name: string, fallback: number, minimum: number): number => {
    const value = Number(environment[name] || fallback);
    if (value >= minimum) return value;
    throw new Error(`${name} is ${environment[name]}. Give a number of at least ${minimum}.`);
  };
  return {
    targets: readList(environment, 'TARGETS', TARGETS),
    operations: readList(environment, 'OPS', OPERATIONS),
    seconds: number('SECONDS', 6, 0.1),
    warmup: number('WARMUP', 2, 0),
    burnIn: number('BURN_IN', 5, 0),
    rounds: number('ROUNDS', 1, 1),
    concurrency: number('CONC', 16, 1),
    largeConcurrency: number('CONC_BIG', 4, 1),
    loginStallMs: number('LOGIN_STALL_TIME', 500, 0),
  };
}

function readList<Name extends string>(
  environment: NodeJS.ProcessEnv,
  variable: string,
  all: readonly Name[],
): Name[] {
  const words = (environment[variable] ?? '').split(',').filter((word) => word !== '');
  const unknown = words.find((word) => !all.some((name) => name === word));
  if (unknown !== undefined)
    throw new Error(`${variable} names ${unknown}. There are ${all.join(', ')}.`);
  return words.length === 0 ? [...all] : all.filter((name) => words.includes(name));
}
