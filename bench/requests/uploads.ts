import { randomBytes } from 'node:crypto';
import type { Fleet } from '../../test/e2e/fleet.ts';
import { cpuMs, largestRssMb } from '../processes.ts';
import type { Measurement } from '../report.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** Uploads `count` files of `bytes`, `parallel` at a time. @returns their ids */
async function uploadMany(
  fleet: Fleet,
  token: string,
  bytes: number,
  count: number,
  parallel: number,
): Promise<string[]> {
  const content = randomBytes(bytes);
  const ids: string[] = [];
  let left = count;
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (left > 0) {
        left -= 1;
        const answer = await fleet.upload(token, 'bench.bin', content);
        if (answer.status !== 201)
          throw new Error(`an upload answered ${answer.status}: ${await answer.text()}`);
        ids.push(((await answer.json()) as { id: string }).id);
      }
    }),
  );
  return ids;
}

async function remove(fleet: Fleet, token: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) await fleet.call('DELETE', `/api/files/${id}`, { token });
}

async function cpuPerUpload(
  fleet: Fleet,
  token: string,
  bytes: number,
  warmUp: number,
  count: number,
): Promise<number> {
  const replicas = (await fleet.describe()).processes.filter(
    (process) => process.service === 'file',
  );
  await remove(fleet, token, await uploadMany(fleet, token, bytes, warmUp, 4));
  const before = await cpuMs(replicas);
  const ids = await uploadMany(fleet, token, bytes, count, 4);
  const used = (await cpuMs(replicas)) - before;
  await remove(fleet, token, ids);
  return used / count;
}

/** CPU per upload, and the memory of a replica before and after 2 GiB of uploads, 8 at a time. */
export async function measureUploads(fleet: Fleet): Promise<Measurement[]> {
  const { token } = await fleet.signUp();
  const files = async () =>
    (await fleet.describe()).processes.filter((process) => process.service === 'file');
  const idle = await largestRssMb(
    (await fleet.describe()).processes.filter(
      ({ service }) => service === 'user' || service === 'file' || service === 'audit',
    ),
  );
  const small = await cpuPerUpload(fleet, token, 64 * 1024, 1_500, 1_500);
  const large = await cpuPerUpload(fleet, token, 16 * MIB, 16, 32);
  await remove(fleet, token, await uploadMany(fleet, token, 32 * MIB, (2 * GIB) / (32 * MIB), 8));
  const after = await largestRssMb(await files());
  return [
    { what: 'service CPU per upload of 64 KiB', value: small, unit: 'ms', goal: { atMost: 2 } },
    { what: 'service CPU per upload of 16 MiB', value: large, unit: 'ms', goal: { atMost: 110 } },
    {
      what: 'RSS of the largest replica before load',
      value: idle,
      unit: 'MB',
      goal: { atMost: 150 },
    },
    {
      what: 'RSS of a file replica after 2 GiB, 8 at a time',
      value: after,
      unit: 'MB',
      goal: { atMost: 220 },
    },
  ];
}
