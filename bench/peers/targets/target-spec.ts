import type { Client } from '../load/client.ts';
import type { FileSize } from '../load/content.ts';
import type { Operation, TargetName } from '../options.ts';

/** Values that stand for {name} in paths, headers and JSON. `n` counts requests. */
export type Variables = Record<string, string>;

/** One who sends requests. */
export interface Actor {
  variables: Variables;
  headers: Record<string, string>;
}

export interface Actors {
  /** One for each worker. */
  users: Actor[];
  /** Owns exactly one page of files. */
  lister: Actor;
  /** May read the audit log. */
  auditor: Actor;
}

export interface RequestDescription {
  method: string;
  path: string;
  as: 'user' | 'lister' | 'auditor' | 'anonymous';
  json?: Record<string, string>;
  upload?: { size: FileSize; form: 'raw' | 'multipart' };
  /** The answer must be exactly the stored file of this size. */
  download?: FileSize;
  /** Default: 200. */
  status?: number;
  /** @throws Error on a wrong answer @returns the new file's id for an upload */
  check?(body: unknown, variables: Variables): string | void;
}

export interface Upload {
  id: string;
  owner: Actor;
}

/** How a product is asked for what is measured. */
export interface TargetSpec {
  name: TargetName;
  /** Sent with each request. */
  headers: Record<string, string>;
  requests: Record<Operation, RequestDescription>;
  /** Signs everybody in. */
  prepareActors(client: Client): Promise<Actors>;
  countFiles(client: Client, owner: Actor): Promise<number>;
  /** How many events the log has for an operation; undefined when none is promised. */
  countEvents?(client: Client, auditor: Actor, operation: Operation): Promise<number | undefined>;
  /** Absent: files are not stored at all. */
  remove?(client: Client, uploads: readonly Upload[]): Promise<void>;
  /** Whether all work that answered requests have left is done. Absent: none is left. */
  isCaughtUp?(): Promise<boolean>;
}

/** The pids of a product's processes. Their descendants count with them. */
export interface ProcessGroups {
  service: number[];
  nginx: number[];
  db: number[];
  other: number[];
}

/** A product that runs. */
export interface StartedTarget {
  spec: TargetSpec;
  url: string;
  processes(): Promise<ProcessGroups>;
}

/** Users, one for each worker of the default concurrency. */
export const WORKERS = 16;
export const PASSWORD = 'Bench-Passw0rd!1';

export const emailOf = (worker: number): string => `bench-${worker}@example.com`;

/** One actor for each worker and the lister. The first user is the auditor too. */
export async function createActors(
  create: (worker: number) => Actor | Promise<Actor>,
): Promise<Actors> {
  const users: Actor[] = [];
  for (let worker = 0; worker < WORKERS; worker += 1) users.push(await create(worker));
  const [auditor] = users;
  if (!auditor) throw new Error('There is no user.');
  return { users, lister: await create(WORKERS), auditor };
}
