import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Readiness } from './plan.ts';
import { type ProcessStat, bootId, isAlive } from './process-table.ts';
import { writeAtomically } from '../../write-atomically.ts';

export interface ProcessState {
  name: string;
  service: string;
  port: number;
  log: string;
  pid?: number;
  startTime?: number;
  restarts: number;
  /** How the process before this one ended, e.g. `exit code 0`. */
  lastExit?: string;
  ready: Readiness;
}

/** state.json: read by `make up`, `down` and `status`, and by the next start after a crash. */
export interface FleetState {
  boot: string;
  supervisor: { pid: number; startTime: number };
  phase: 'starting' | 'running' | 'stopping' | 'failed';
  /** The stage that is starting. */
  title: string;
  /** Why the start failed, with the last log lines. */
  failure?: string;
  settings: Record<string, unknown>;
  processes: ProcessState[];
}

export function stateFile(data: string): string {
  return path.join(data, 'state.json');
}

export function writeState(data: string, state: FleetState): void {
  writeAtomically(stateFile(data), `${JSON.stringify(state, undefined, 1)}\n`);
}

/** Undefined when no fleet has run here since this machine started. */
export function readState(data: string): FleetState | undefined {
  try {
    const state: FleetState = JSON.parse(readFileSync(stateFile(data), 'utf8'));
    return state.boot === bootId() ? state : undefined;
  } catch {
    return undefined;
  }
}

export function isSupervisorAlive(state: FleetState | undefined): state is FleetState {
  return state !== undefined && isAlive(state.supervisor);
}

/** Names one process for good: pids are reused. */
export type Identity = Pick<ProcessStat, 'pid' | 'startTime'>;
