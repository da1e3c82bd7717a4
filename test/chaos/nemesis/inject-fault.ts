import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxy } from '@muniment/cluster';
import type { FaultKind, PlannedFault } from '../plan/plan-faults.ts';
import {
  holderOf,
  kill,
  killInCommit,
  pause,
  replicaOf,
  restartAll,
  wipeStream,
  type ProcessFaults,
} from './process-faults.ts';
import { reshard, type ReshardKind } from './reshard.ts';
import type { Lease } from './victims.ts';

export interface Proxies {
  postgres: FaultProxy;
  kinesis: FaultProxy;
  s3: FaultProxy;
}

export interface Faults extends ProcessFaults {
  proxies: Proxies;
}

/** Injects a fault and waits until it is over. Resolves to a description of its target. */
type Injection = (faults: Faults, fault: PlannedFault) => Promise<string>;

const SERVICES = ['user', 'file', 'audit'];

const killNamed =
  (name: string): Injection =>
  (faults) =>
    kill(faults, name);

const killReplica =
  (service: string): Injection =>
  (faults, { choice }) =>
    kill(faults, replicaOf(faults, service, choice));

const killHolder =
  (lease: Lease): Injection =>
  async (faults, { choice }) =>
    kill(faults, await holderOf(faults, lease, choice));

const killCommitting =
  (service: string): Injection =>
  (faults, { choice }) =>
    killInCommit(faults, service, { choice });

const killPostgresInCommit: Injection = (faults, { choice }) =>
  killInCommit(faults, SERVICES[Math.floor(choice * SERVICES.length)] ?? 'user', {
    choice,
    victim: 'postgres',
  });

const pauseReplica =
  (service: string): Injection =>
  (faults, { choice, durationMs }) =>
    pause(faults, replicaOf(faults, service, choice), durationMs);

const pauseHolder =
  (lease: Lease): Injection =>
  async (faults, { choice, durationMs }) =>
    pause(faults, await holderOf(faults, lease, choice), durationMs);

const disturb =
  (store: keyof Proxies): Injection =>
  async ({ proxies }, { mode = 'pass', durationMs }) => {
    proxies[store].mode(mode);
    if (mode !== 'cut') await sleep(durationMs);
    proxies[store].mode('pass');
    return `${store}: ${typeof mode === 'string' ? mode : JSON.stringify(mode)}`;
  };

const reshardBy =
  (kind: ReshardKind): Injection =>
  ({ fleet }, { choice }) =>
    reshard(fleet, kind, choice);

const INJECTIONS: Record<FaultKind, Injection> = {
  kill_user: killReplica('user'),
  kill_file: killReplica('file'),
  kill_audit: killReplica('audit'),
  kill_relay: killHolder('relay'),
  kill_shard_holder: killHolder('shard'),
  kill_sealer: killHolder('sealer'),
  kill_user_committing: killCommitting('user'),
  kill_file_committing: killCommitting('file'),
  kill_audit_committing: killCommitting('audit'),
  kill_postgres_committing: killPostgresInCommit,
  pause_user: pauseReplica('user'),
  pause_file: pauseReplica('file'),
  pause_relay: pauseHolder('relay'),
  pause_shard_holder: pauseHolder('shard'),
  pause_sealer: pauseHolder('sealer'),
  kill_kinesis: killNamed('kinesis'),
  pause_kinesis: (faults, { durationMs }) => pause(faults, 'kinesis', durationMs),
  wipe_stream: wipeStream,
  kill_s3: killNamed('s3'),
  kill_postgres: killNamed('postgres'),
  kill_gateway: killNamed('nginx'),
  net_postgres: disturb('postgres'),
  net_kinesis: disturb('kinesis'),
  throttle_kinesis: disturb('kinesis'),
  net_s3: disturb('s3'),
  split_shard: reshardBy('split_shard'),
  merge_shards: reshardBy('merge_shards'),
  rolling_restart: restartAll,
};

export const injectFault: Injection = (faults, fault) => INJECTIONS[fault.kind](faults, fault);
