import { fork } from 'node:child_process';
import { join } from 'node:path';
import { type Fleet } from '../../test/e2e/fleet.ts';
import { startHelloGateway } from '../load/hello-gateway.ts';
import { load } from '../load/load.ts';
import { cpuMs } from '../processes.ts';
import type { Measurement } from '../report.ts';

export interface RefreshLoad {
  url: string;
  /** Each token starts its own chain of refreshes. */
  tokens: string[];
  seconds: number;
}

const CHAINS = 48;
const SECONDS = 6;

export interface RefreshResult {
  refreshes: number;
  tokens: string[];
}

async function run(load: RefreshLoad): Promise<RefreshResult> {
  const child = fork(join(import.meta.dirname, 'refresh-child.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (result) => resolve(result as RefreshResult));
    child.once('exit', (code) => reject(new Error(`The refresh process exited with ${code}.`)));
    child.send(load);
  });
}

/** Measures refreshes per second through the gateway. Each spends the token of the one before. */
export async function measureRefreshes(fleet: Fleet): Promise<Measurement[]> {
  const tokens: string[] = [];
  while (tokens.length < CHAINS) tokens.push((await fleet.signUp()).refresh_token);
  const processes = (await fleet.describe()).processes;
  const users = processes.filter(({ service }) => service === 'user');
  const warm = await run({ url: fleet.url, tokens, seconds: 4 });
  const before = await cpuMs(users);
  const { refreshes } = await run({ url: fleet.url, tokens: warm.tokens, seconds: SECONDS });
  const cpu = ((await cpuMs(users)) - before) / refreshes;
  const perSecond = refreshes / SECONDS;
  const hello = await startHelloGateway(users.length);
  try {
    const limit = await load({
      url: `${hello.url}/api/users/me`,
      connections: CHAINS,
      seconds: SECONDS,
    });
    return [
      {
        what: 'refreshes',
        value: perSecond,
        unit: '/s',
        goal: { atLeast: 1_500 },
        beside:
          `${cpu.toFixed(2)} ms of CPU each in the user service, ` +
          "with the relay's part for its event",
      },
      // The goal was set on a machine with 31,069 hellos per second: 1,500 of them.
      {
        what: 'refreshes through Nginx / bare hello through the same Nginx',
        value: perSecond / limit.perSecond,
        unit: '×',
        goal: { atLeast: 0.048 },
        beside: `${perSecond.toFixed(0)}/s beside ${limit.perSecond.toFixed(0)}/s`,
      },
    ];
  } finally {
    await hello.stop();
  }
}
