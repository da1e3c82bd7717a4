import {
  DescribeStreamSummaryCommand,
  ListShardsCommand,
  type KinesisClient,
  type Shard,
} from '@aws-sdk/client-kinesis';

export interface ListedShard {
  id: string;
  /** The shards that this one was split or merged from. The list may no longer have them. */
  parents: string[];
}

export interface ListedStream {
  name: string;
  /** Tells a stream from an earlier one of the same name, whose shards it does not share. */
  created: Date;
  shards: ListedShard[];
}

/**
 * Lists the stream's shards, closed ones within the retention time included.
 * @throws when `signal` aborts
 */
export async function listShards(
  kinesis: KinesisClient,
  stream: string,
  signal: AbortSignal,
): Promise<ListedStream> {
  const { StreamDescriptionSummary: summary } = await kinesis.send(
    new DescribeStreamSummaryCommand({ StreamName: stream }),
    { abortSignal: signal },
  );
  if (!summary?.StreamCreationTimestamp)
    throw new Error(`The stream ${stream} has no creation time.`);
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
