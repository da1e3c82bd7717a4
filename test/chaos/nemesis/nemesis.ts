import type { FaultProxy } from '@muniment/cluster';
import type { Rows } from '@muniment/testing';
import type { Fleet } from '../../e2e/fleet.ts';
import { abortableSleep } from '../abortable-sleep.ts';
import type { FaultRecord, History } from '../history.ts';
import type { PlannedFault } from '../plan/plan-faults.ts';
import { injectFault, type Proxies } from './inject-fault.ts';
import { createVictims } from './victims.ts';

export interface NemesisOptions {
  fleet: Fleet;
  rows: Rows;
  proxies: Proxies;
  /** Replicas of each service. */
  replicas: number;
  history: History;
}

export interface Nemesis {
  /** Injects planned faults until `signal` aborts, and calls `healed` after each. */
  run(
    plan: readonly PlannedFault[],
    signal: AbortSignal,
    healed: (fault: FaultRecord) => void,
  ): Promise<void>;
  /** The faults under way. */
  current(): string[];
  /** Resumes every process and opens every proxy. */
  heal(): void;
}

export function createNemesis({ history, ...options }: NemesisOptions): Nemesis {
  const faults = { ...options, victims: createVictims(options.fleet) };
  const current = new Set<string>();

  async function runFault(fault: PlannedFault, signal: AbortSignal): Promise<FaultRecord> {
    const injectedAt = history.now();
    history.write({ type: 'fault', ...fault });
    current.add(fault.kind);
    const target = await injectFault({ ...faults, signal }, fault);
    current.delete(fault.kind);
    const record: FaultRecord = {
      kind: fault.kind,
      target,
      injectedAt,
      healedAt: history.now(),
      answeredMs: null,
      caughtUpMs: null,
    };
    history.faults.push(record);
    history.write({ type: 'healed', kind: fault.kind, target });
    return record;
  }

  return {
    async run(plan, signal, healed) {
      const running: Promise<void>[] = [];
      for (const fault of plan) {
        await abortableSleep(Math.max(0, fault.at - history.now()), signal);
        if (signal.aborted) break;
        running.push(runFault(fault, signal).then(healed));
      }
      await Promise.all(running);
    },
    current: () => [...current],
    heal() {
      faults.victims.resumeAll();
      for (const proxy of Object.values(faults.proxies) as FaultProxy[]) proxy.mode('pass');
    },
  };
}
