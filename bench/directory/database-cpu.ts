import { readFileSync } from 'node:fs';
import type { Rows } from '@muniment/testing';
import { percentile } from '../trail/open-trail.ts';

const RUNS = 15;
/** The first runs are planned anew each, as are those of a new replica. */
const FIRST_RUNS = 6;

/** CPU of a database process so far, in ms. Time itself would also count other work. */
const cpuMsOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

/** The process behind a connection. */
export async function pidOf(rows: Rows): Promise<number> {
  return (await rows<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid ?? 0;
}

/** CPU that the database process spends on `work`, in ms. */
export async function costOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = cpuMsOf(pid);
  await work();
  return cpuMsOf(pid) - before;
}

export async function medianCostOf(pid: number, work: () => Promise<unknown>): Promise<number> {
  const costs: number[] = [];
  for (let run = 0; run < RUNS + FIRST_RUNS; run += 1) costs.push(await costOf(pid, work));
  return percentile(costs.slice(FIRST_RUNS), 0.5);
}
