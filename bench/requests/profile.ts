import type { Fleet } from '../../test/e2e/fleet.ts';
import { load } from '../load/load.ts';
import { startHelloGateway } from '../load/hello-gateway.ts';
import { cpuMs } from '../processes.ts';
import type { Measurement } from '../report.ts';

const SECONDS = 6;
const CONNECTIONS = 20;
const ROUNDS = 3;

/** Measures `GET /api/users/me` against a hello, in turns, so that a noisy neighbour slows both. */
export async function measureProfile(fleet: Fleet): Promise<Measurement[]> {
  const { token } = await fleet.signUp();
  const users = (await fleet.describe()).processes.filter((process) => process.service === 'user');
  const hello = await startHelloGateway(users.length);
  const ratios: number[] = [];
  let best = { profile: 0, hello: 0 };
  let cpu = 0;
  let requests = 0;
  try {
    const headers = { authorization: `Bearer ${token}` };
    await load({ url: `${fleet.url}/api/users/me`, headers, connections: CONNECTIONS, seconds: 3 });
    await load({ url: `${hello.url}/api/users/me`, connections: CONNECTIONS, seconds: 2 });
    for (let round = 0; round < ROUNDS; round += 1) {
      const limit = await load({
        url: `${hello.url}/api/users/me`,
        connections: CONNECTIONS,
        seconds: SECONDS,
      });
      const before = await cpuMs(users);
      const profile = await load({
        url: `${fleet.url}/api/users/me`,
        headers,
        connections: CONNECTIONS,
        seconds: SECONDS,
      });
      cpu += (await cpuMs(users)) - before;
      requests += profile.ok;
      if (profile.failed > 0) throw new Error(`${profile.failed} profile requests failed.`);
      ratios.push(profile.perSecond / limit.perSecond);
      best = {
        profile: Math.max(best.profile, profile.perSecond),
        hello: Math.max(best.hello, limit.perSecond),
      };
    }
  } finally {
    await hello.stop();
  }
  const median = ratios.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  return [
    {
      what: 'profile through Nginx / bare hello through the same Nginx',
      value: median,
      unit: '×',
      goal: { atLeast: 0.35 },
      beside: `${best.profile.toFixed(0)}/s beside ${best.hello.toFixed(0)}/s`,
    },
    {
      what: 'service CPU per profile request',
      value: cpu / requests,
      unit: 'ms',
      goal: { atMost: 0.12 },
    },
  ];
}
