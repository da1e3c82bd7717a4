import { readFileSync } from 'node:fs';
import path from 'node:path';
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
  ready: { http: string } | { tcp: number } | { postgres: string };
}

/** What the supervisor leaves for `up`, `down` and `status`, and for the next start after a crash. */
export interface FleetState {
  boot: string;
  supervisor: { pid: number; startTime: number };
  phase: 'starting' | 'running' | 'stopping' | 'failed';
  /** The stage that is being started. */
  title: string;
  /** With phase `failed`: which process, and its last log lines. */
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

/** undefined when there was no fleet here, or none since this machine started. */
export function readState(data: string): FleetState | undefined {
  try {
    const state: FleetState = JSON.parse(readFileSync(stateFile(data), 'utf8'));
    return state.boot === bootId() ? state : undefined;
  } catch {
    return undefined;
  }
}

export function supervisorLives(state: FleetState | undefined): state is FleetState {
  return state !== undefined && isAlive(state.supervisor);
}

export type Identity = Pick<ProcessStat, 'pid' | 'startTime'>;
