/** One process of the fleet, as the supervisor starts it. */
export interface ProcessSpec {
  /** Unique, e.g. user-1. */
  name: string;
  service: 'user' | 'file' | 'audit' | 'nginx' | 'postgres' | 'kinesis' | 's3' | 'mail';
  command: string[];
  env: Record<string, string>;
  user?: { uid: number; gid: number };
  port: number;
  log: string;
  /** What asks it to end in order. */
  stopSignal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT';
  /** Milliseconds until it is killed. */
  stopTimeout: number;
  ready: { http: string } | { tcp: number } | { postgres: string };
}

/** Something that runs once between two stages and must succeed. */
export interface TaskSpec {
  name: string;
  command: string[];
  env: Record<string, string>;
  log: string;
}

/** A stage starts when the one before it is ready; stopping goes the other way. */
export interface Stage {
  /** Shown to the one who waits, e.g. `starting PostgreSQL, Kinesis and S3`. */
  title: string;
  processes: ProcessSpec[];
  task?: TaskSpec;
}

export interface Plan {
  /** Where the fleet's files lie. */
  data: string;
  /** Working directory of all processes. */
  cwd: string;
  stages: Stage[];
  /** The part of fleet.json that does not change while the fleet runs. */
  facts: Record<string, unknown>;
  /** What the fleet was asked to be, to see whether a later `make up` asks for the same. */
  settings: Record<string, unknown>;
  /** For how many days logs are kept; absent or 0: not by the supervisor. */
  logDays?: number;
  /** Logs that no process of the plan has as its output. */
  logs?: string[];
}
