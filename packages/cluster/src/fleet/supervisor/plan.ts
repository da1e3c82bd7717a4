/** How to find out whether a process takes work. `postgres` is a data folder. */
export type Readiness = { http: string } | { tcp: number } | { postgres: string };

/** One process of the fleet. */
export interface ProcessSpec {
  /** Unique, e.g. user-1. */
  name: string;
  service: 'user' | 'file' | 'audit' | 'nginx' | 'postgres' | 'kinesis' | 's3' | 'mail';
  command: string[];
  env: Record<string, string>;
  user?: { uid: number; gid: number };
  port: number;
  log: string;
  /** The signal of an orderly stop. */
  stopSignal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT';
  /** Milliseconds until it is killed. */
  stopTimeout: number;
  /**
   * Milliseconds after which the stages before it stop too, while it still drains. Absent: they
   * stop when it has ended.
   */
  drainMs?: number;
  ready: Readiness;
}

/** A command that runs once after a stage and must succeed. */
export interface TaskSpec {
  name: string;
  command: string[];
  env: Record<string, string>;
  log: string;
}

/** A stage starts when the previous one is ready. Stages stop in reverse order. */
export interface Stage {
  /** Shown while waiting, e.g. `starting nginx`. */
  title: string;
  processes: ProcessSpec[];
  task?: TaskSpec;
}

export interface Plan {
  /** The data folder. */
  data: string;
  /** Working directory of all processes. */
  cwd: string;
  stages: Stage[];
  /** The part of fleet.json that does not change while the fleet runs. */
  facts: Record<string, unknown>;
  /** The requested settings, which a later `make up` is compared with. */
  settings: Record<string, unknown>;
  /** Days that logs are kept; absent or 0: the supervisor rotates none. */
  logDays?: number;
  /** Logs that processes write themselves. */
  logs?: string[];
}
