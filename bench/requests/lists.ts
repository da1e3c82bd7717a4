import { until } from '@muniment/testing';
import { type Fleet, type FleetProcess } from '../../test/e2e/fleet.ts';
import { load } from '../load/load.ts';
import { cpuMs } from '../processes.ts';
import type { Measurement } from '../report.ts';

const SECONDS = 6;
const FILES = 60;

async function cpuPerRequest(
  fleet: Fleet,
  service: FleetProcess['service'],
  path: string,
  token: string,
): Promise<{ cpu: number; perSecond: number }> {
  const replicas = (await fleet.describe()).processes.filter(
    (process) => process.service === service,
  );
  const request = {
    url: `${fleet.url}${path}`,
    headers: { authorization: `Bearer ${token}` },
    connections: 10,
  };
  await load({ ...request, seconds: 2 });
  const before = await cpuMs(replicas);
  const result = await load({ ...request, seconds: SECONDS });
  if (result.failed > 0) throw new Error(`${result.failed} requests for ${path} failed.`);
  return { cpu: ((await cpuMs(replicas)) - before) / result.ok, perSecond: result.perSecond };
}

/** Measures the CPU of a list of 50 files, an audit page of 50, and a download. */
export async function measureLists(fleet: Fleet): Promise<Measurement[]> {
  const { token } = await fleet.signUp();
  let fileId = '';
  for (let n = 0; n < FILES; n += 1) {
    const answer = await fleet.upload(token, `file-${n}.txt`, `file number ${n}`);
    fileId = ((await answer.json()) as { id: string }).id;
  }
  await until(async () => (await fleet.trail(token)).length >= FILES + 1, {
    what: 'the trail holds all uploads',
    timeoutMs: 30_000,
  });
  const files = await cpuPerRequest(fleet, 'file', '/api/files?limit=50', token);
  const audit = await cpuPerRequest(fleet, 'audit', '/api/audit/logs?limit=50', token);
  const download = await cpuPerRequest(fleet, 'file', `/api/files/${fileId}`, token);
  return [
    {
      what: 'service CPU per list of 50 files',
      value: files.cpu,
      unit: 'ms',
      goal: { atMost: 0.4 },
      beside: `${files.perSecond.toFixed(0)}/s`,
    },
    {
      what: 'service CPU per audit page of 50',
      value: audit.cpu,
      unit: 'ms',
      goal: { atMost: 0.4 },
      beside: `${audit.perSecond.toFixed(0)}/s`,
    },
    {
      what: 'service CPU per download',
      value: download.cpu,
      unit: 'ms',
      goal: { atMost: 0.6 },
      beside: `${download.perSecond.toFixed(0)}/s, each an event`,
    },
  ];
}
