import { randomBytes } from 'node:crypto';
import type { Fleet } from '../../test/e2e/fleet.ts';
import { cpuMs, largestRssMb } from '../processes.ts';
import type { Measurement } from '../report.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

interface Batch {
  /** Size of each file. */
  bytes: number;
  count: number;
  /** Uploads under way at a time. */
  parallel: number;
}

/** Uploads a batch of files. @returns their ids */
async function uploadMany(
  fleet: Fleet,
  token: string,
  { bytes, count, parallel }: Batch,
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
          throw new Error(`An upload answered ${answer.status}: ${await answer.text()}`);
        ids.push(((await answer.json()) as { id: string }).id);
      }
    }),
  );
  return ids;
}

async function deleteFiles(fleet: Fleet, token: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) await fleet.call('DELETE', `/api/files/${id}`, { token });
}

async function cpuPerUpload(
  fleet: Fleet,
  token: string,
  { bytes, warmUp, count }: { bytes: number; warmUp: number; count: number },
): Promise<number> {
  const replicas = (await fleet.describe()).processes.filter(
    (process) => process.service === 'file',
  );
  const warmUpIds = await uploadMany(fleet, token, { bytes, count: warmUp, parallel: 4 });
  await deleteFiles(fleet, token, warmUpIds);
  const before = await cpuMs(replicas);
  const ids = await uploadMany(fleet, token, { bytes, count, parallel: 4 });
  const used = (await cpuMs(replicas)) - before;
  await deleteFiles(fleet, token, ids);
  return used / count;
}

/** Measures CPU per upload, and a replica's memory before and after 2 GiB of uploads. */
export async function measureUploads(fleet: Fleet): Promise<Measurement[]> {
  const { token } = await fleet.signUp();
  const files = async () =>
    (await fleet.describe()).processes.filter((process) => process.service === 'file');
  const idle = await largestRssMb(
    (await fleet.describe()).processes.filter(
      ({ service }) => service === 'user' || service === 'file' || service === 'audit',
    ),
  );
  const small = await cpuPerUpload(fleet, token, { bytes: 64 * 1024, warmUp: 1_500, count: 1_500 });
  const large = await cpuPerUpload(fleet, token, { bytes: 16 * MIB, warmUp: 16, count: 32 });
  const bulk = { bytes: 32 * MIB, count: (2 * GIB) / (32 * MIB), parallel: 8 };
  await deleteFiles(fleet, token, await uploadMany(fleet, token, bulk));
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
