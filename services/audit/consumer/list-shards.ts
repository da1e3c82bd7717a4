import {
  DescribeStreamSummaryCommand,
  ListShardsCommand,
  type KinesisClient,
  type Shard,
} from '@aws-sdk/client-kinesis';

export interface ListedShard {
  id: string;
  /** The shards this one was split or merged from; they may be gone from the list already. */
  parents: string[];
}

export interface ListedStream {
  name: string;
  /** Tells a stream from one that bore its name before: a stream that was deleted and made again shares no shard with it. */
  created: Date;
  shards: ListedShard[];
}

/** What the stream consists of now, closed shards within the retention time included. @throws when `signal` says that it took too long */
export async function listShards(
  kinesis: KinesisClient,
  stream: string,
  signal: AbortSignal,
): Promise<ListedStream> {
  const { StreamDescriptionSummary: summary } = await kinesis.send(
    new DescribeStreamSummaryCommand({ StreamName: stream }),
    { abortSignal: signal },
  );
  if (!summary?.StreamCreationTimestamp) throw new Error(`stream ${stream} has no creation time`);
  const shards: Shard[] = [];
  let token: string | undefined;
  do {
    const page = await kinesis.send(
      new ListShardsCommand(token === undefined ? { StreamName: stream } : { NextToken: token }),
      { abortSignal: signal },
    );
    shards.push(...(page.Shards ?? []));
    token = page.NextToken;
  } while (token !== undefined);
  return {
    name: stream,
    created: summary.StreamCreationTimestamp,
    shards: shards.map(({ ShardId = '', ParentShardId, AdjacentParentShardId }) => ({
      id: ShardId,
      parents: [ParentShardId, AdjacentParentShardId].filter((parent) => parent !== undefined),
    })),
  };
}
