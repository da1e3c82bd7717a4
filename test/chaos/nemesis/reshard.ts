import { setTimeout as sleep } from 'node:timers/promises';
import {
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
  type Shard,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Fleet } from '../../e2e/fleet.ts';

export type ReshardKind = 'split_shard' | 'merge_shards';

const RESHARD_TIMEOUT_MS = 4_000;
const RETRY_AFTER_MS = 200;
const MAX_SHARDS = 10;

/** Splits or merges shards. @returns what was done, or why nothing was */
export async function reshard(fleet: Fleet, kind: ReshardKind, choice: number): Promise<string> {
  const { endpoint, stream, ...credentials } = (await fleet.describe()).kinesis;
  const client = new KinesisClient({
    endpoint,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials,
    requestHandler: new NodeHttpHandler({ connectionTimeout: 500, requestTimeout: 2_000 }),
  });
  const deadline = performance.now() + RESHARD_TIMEOUT_MS;
  try {
    for (;;) {
      try {
        const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName: stream }));
        const { send, target } = planReshard(stream, Shards, { kind, choice });
        await send(client);
        return target;
      } catch (error) {
        if (performance.now() > deadline) return `not done: ${String(error)}`;
      }
      await sleep(RETRY_AFTER_MS);
    }
  } finally {
    client.destroy();
  }
}

interface OpenShard {
  id: string;
  first: bigint;
  last: bigint;
}

function listOpenShards(shards: readonly Shard[]): OpenShard[] {
  return shards
    .filter(({ SequenceNumberRange }) => SequenceNumberRange?.EndingSequenceNumber === undefined)
    .map(({ ShardId = '', HashKeyRange }): OpenShard => ({
      id: ShardId,
      first: BigInt(HashKeyRange?.StartingHashKey ?? 0),
      last: BigInt(HashKeyRange?.EndingHashKey ?? 0),
    }))
    .sort((one, other) => (one.first < other.first ? -1 : 1));
}

/** Plans to split a shard or merge two neighbours; the other one where that is impossible. */
function planReshard(
  StreamName: string,
  shards: readonly Shard[],
  { kind, choice }: { kind: ReshardKind; choice: number },
): { send(client: KinesisClient): Promise<unknown>; target: string } {
  const open = listOpenShards(shards);
  const merges = open.length >= MAX_SHARDS || (kind === 'merge_shards' && open.length > 1);
  const at = Math.floor(choice * (merges ? open.length - 1 : open.length));
  const [one, next] = [open[at], open[at + 1]];
  if (!one) throw new Error('The stream has no open shard.');
  if (merges && next) {
    const command = new MergeShardsCommand({
      StreamName,
      ShardToMerge: one.id,
      AdjacentShardToMerge: next.id,
    });
    return {
      send: (client) => client.send(command),
      target: `${one.id} and ${next.id} merged, ${open.length - 1} shards`,
    };
  }
  const command = new SplitShardCommand({
    StreamName,
    ShardToSplit: one.id,
    NewStartingHashKey: String((one.first + one.last) / 2n + 1n),
  });
  return {
    send: (client) => client.send(command),
    target: `${one.id} split, ${open.length + 1} shards`,
  };
}
