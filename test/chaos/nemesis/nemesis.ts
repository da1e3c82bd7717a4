import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  KinesisClient,
  ListShardsCommand,
  MergeShardsCommand,
  SplitShardCommand,
  type Shard,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { FaultProxy } from '@muniment/cluster';
import type { Fleet } from '../../e2e/fleet.ts';
import type { Rows } from '@muniment/testing';
import type { FaultRecord, History } from '../history.ts';
import type { PlannedFault } from '../plan/plan-faults.ts';
import { findCommitting } from '../trail.ts';
import { createVictims, findHolder } from './victims.ts';

export interface Proxies {
  postgres: FaultProxy;
  kinesis: FaultProxy;
  s3: FaultProxy;
}

export interface NemesisOptions {
  fleet: Fleet;
  rows: Rows;
  proxies: Proxies;
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

const HOLDER_TIMEOUT_MS = 1_500;
const COMMIT_TIMEOUT_MS = 3_000;
const SERVICES = ['user', 'file', 'audit'];
/** How long the consumer is paused before a wipe, so that unread records are lost. */
const UNREAD_MS = 800;
const RESHARD_TIMEOUT_MS = 4_000;
const MAX_SHARDS = 10;

export function createNemesis({
  fleet,
  rows,
  proxies,
  replicas,
  history,
}: NemesisOptions): Nemesis {
  const victims = createVictims(fleet);
  const current = new Set<string>();
  const replicaOf = (service: string, choice: number): string =>
    `${service}-${1 + Math.floor(choice * replicas)}`;

  async function holderOf(lease: 'relay' | 'sealer' | 'shard', choice: number): Promise<string> {
    for (
      const deadline = performance.now() + HOLDER_TIMEOUT_MS;
      performance.now() < deadline;
      await sleep(100)
    ) {
      const holder = await findHolder(rows, lease, choice);
      if (holder !== undefined) return holder;
    }
    return replicaOf('audit', choice);
  }

  async function kill(name: string): Promise<string> {
    return (await victims.kill(name)) ? name : `${name} (was down already)`;
  }

  /** Kills a replica of the service, or `victim`, while a slowed commit is under way. */
  async function killInCommit(service: string, choice: number, victim?: string): Promise<string> {
    for (
      const deadline = performance.now() + COMMIT_TIMEOUT_MS;
      performance.now() < deadline;
      await sleep(5)
    ) {
      const found = await findCommitting(rows, service).catch(() => undefined);
      if (found !== undefined)
        return `${await kill(victim ?? found)}, a commit of ${found} under way`;
    }
    return `${await kill(victim ?? replicaOf(service, choice))}, no commit of ${service} under way`;
  }

  async function pause(name: string, durationMs: number): Promise<string> {
    const resume = await victims.pause(name);
    await sleep(durationMs);
    resume();
    return name;
  }

  async function wipeStream(): Promise<string> {
    const resume = await Promise.all(
      Array.from({ length: replicas }, (_, index) => victims.pause(`audit-${index + 1}`)),
    );
    await sleep(UNREAD_MS);
    // Paused first, so that the server does not write into the deleted folder.
    await victims.pause('kinesis');
    await rm(join(fleet.dataDir, 'kinesis'), { recursive: true, force: true });
    await victims.kill('kinesis');
    for (const one of resume) one();
    return 'the records of the stream';
  }

  async function disturb(
    name: keyof Proxies,
    { mode = 'pass', durationMs }: PlannedFault,
  ): Promise<string> {
    proxies[name].mode(mode);
    if (mode !== 'cut') await sleep(durationMs);
    proxies[name].mode('pass');
    return `${name}: ${typeof mode === 'string' ? mode : JSON.stringify(mode)}`;
  }

  async function reshard(how: 'split_shard' | 'merge_shards', choice: number): Promise<string> {
    const {
      kinesis: { endpoint, stream: StreamName },
    } = await fleet.describe();
    const client = new KinesisClient({
      endpoint,
      region: 'us-east-1',
      maxAttempts: 1,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      requestHandler: new NodeHttpHandler({ connectionTimeout: 500, requestTimeout: 2_000 }),
    });
    try {
      for (const deadline = performance.now() + RESHARD_TIMEOUT_MS; ; await sleep(200)) {
        try {
          const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName }));
          const { send, target } = planReshard(StreamName, Shards, how, choice);
          await send(client);
          return target;
        } catch (error) {
          if (performance.now() > deadline) return `not done: ${String(error)}`;
        }
      }
    } finally {
      client.destroy();
    }
  }

  async function inject(fault: PlannedFault): Promise<string> {
    const { kind, choice, durationMs } = fault;
    switch (kind) {
      case 'kill_user':
      case 'kill_file':
      case 'kill_audit':
        return kill(replicaOf(kind.slice('kill_'.length), choice));
      case 'kill_relay':
        return kill(await holderOf('relay', choice));
      case 'kill_shard_holder':
        return kill(await holderOf('shard', choice));
      case 'kill_sealer':
        return kill(await holderOf('sealer', choice));
      case 'kill_user_committing':
      case 'kill_file_committing':
      case 'kill_audit_committing':
        return killInCommit(kind.slice('kill_'.length, -'_committing'.length), choice);
      case 'kill_postgres_committing':
        return killInCommit(
          SERVICES[Math.floor(choice * SERVICES.length)] ?? 'user',
          choice,
          'postgres',
        );
      case 'pause_user':
      case 'pause_file':
        return pause(replicaOf(kind.slice('pause_'.length), choice), durationMs);
      case 'pause_relay':
        return pause(await holderOf('relay', choice), durationMs);
      case 'pause_shard_holder':
        return pause(await holderOf('shard', choice), durationMs);
      case 'pause_sealer':
        return pause(await holderOf('sealer', choice), durationMs);
      case 'kill_kinesis':
        return kill('kinesis');
      case 'pause_kinesis':
        return pause('kinesis', durationMs);
      case 'wipe_stream':
        return wipeStream();
      case 'kill_s3':
        return kill('s3');
      case 'kill_postgres':
        return kill('postgres');
      case 'kill_gateway':
        return kill('nginx');
      case 'net_postgres':
        return disturb('postgres', fault);
      case 'net_kinesis':
      case 'throttle_kinesis':
        return disturb('kinesis', fault);
      case 'net_s3':
        return disturb('s3', fault);
      default:
        return reshard(kind, choice);
    }
  }

  async function runFault(
    fault: PlannedFault,
    healed: (record: FaultRecord) => void,
  ): Promise<void> {
    const injectedAt = history.now();
    history.write({ type: 'fault', ...fault });
    current.add(fault.kind);
    const target = await inject(fault);
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
    healed(record);
  }

  return {
    async run(plan, signal, healed) {
      const running: Promise<void>[] = [];
      for (const fault of plan) {
        await sleep(Math.max(0, fault.at - history.now()), undefined, { signal }).catch(() => {});
        if (signal.aborted) break;
        running.push(runFault(fault, healed));
      }
      await Promise.all(running);
    },
    current: () => [...current],
    heal() {
      victims.resumeAll();
      for (const proxy of Object.values(proxies) as FaultProxy[]) proxy.mode('pass');
    },
  };
}

interface OpenShard {
  id: string;
  first: bigint;
  last: bigint;
}

/** Plans to split a shard or merge two neighbours; the other one where that is impossible. */
function planReshard(
  StreamName: string,
  shards: readonly Shard[],
  how: 'split_shard' | 'merge_shards',
  choice: number,
): { send(client: KinesisClient): Promise<unknown>; target: string } {
  const open = shards
    .filter(({ SequenceNumberRange }) => SequenceNumberRange?.EndingSequenceNumber === undefined)
    .map(({ ShardId = '', HashKeyRange }): OpenShard => ({
      id: ShardId,
      first: BigInt(HashKeyRange?.StartingHashKey ?? 0),
      last: BigInt(HashKeyRange?.EndingHashKey ?? 0),
    }))
    .sort((one, other) => (one.first < other.first ? -1 : 1));
  const merges = open.length >= MAX_SHARDS || (how === 'merge_shards' && open.length > 1);
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
