import path from 'node:path';
import { writeAtomically } from '../../write-atomically.ts';
import type { Plan } from './plan.ts';
import { bootId, processStat } from './process-table.ts';
import { type FleetState, type ProcessState, writeState } from './state.ts';
import type { SupervisedProcess } from './supervised-process.ts';

export interface SupervisorStatus {
  phase: FleetState['phase'];
  /** The stage that is starting. */
  title: string;
  failure?: string;
}

/** The path of fleet.json, which describes a running fleet to scripts. */
export function fleetFile(data: string): string {
  return path.join(data, 'fleet.json');
}

/** Writes fleet.json while the fleet runs, and state.json always. */
export function writeFleetFiles(
  plan: Plan,
  status: SupervisorStatus,
  supervised: readonly SupervisedProcess[],
): void {
  const processes = supervised.map(describeProcess);
  // fleet.json comes first: a reader that sees phase `running` reads it next.
  // While a process restarts the old file stays, so a reader always finds a pid.
  if (status.phase === 'running' && processes.every(({ pid }) => pid !== undefined))
    writeFleetDescription(plan, processes);
  writeState(plan.data, {
    boot: bootId(),
    supervisor: { pid: process.pid, startTime: processStat(process.pid)?.startTime ?? 0 },
    ...status,
    settings: plan.settings,
    processes,
  });
}

function describeProcess(process: SupervisedProcess): ProcessState {
  const { name, service, port, log, ready } = process.spec;
  const lastExit = process.lastExit();
  return {
    name,
    service,
    port,
    log,
    ready,
    restarts: process.restarts(),
    ...(lastExit === undefined ? {} : { lastExit }),
    ...process.identity(),
  };
}

function writeFleetDescription(plan: Plan, processes: readonly ProcessState[]): void {
  const listed = processes.map(({ name, service, pid, port, log }) => ({
    name,
    service,
    pid,
    port,
    log,
  }));
  const text = JSON.stringify({ ...plan.facts, processes: listed }, undefined, 2);
  writeAtomically(fleetFile(plan.data), `${text}\n`);
}
