export { type DebianPackages, installDebianPackages } from './debian-packages.ts';
export { FleetError } from './errors.ts';
export {
  listReplicas,
  restartReplica,
  type RestartedReplica,
} from './fleet/commands/restart-replicas.ts';
export type { Fault } from './faults/fault.ts';
export { type FaultProxy, startFaultProxy } from './faults/fault-proxy.ts';
export { freePort } from './free-port.ts';
export { type KinesisOptions, type RunningKinesis, startKinesis } from './kinesis/start-kinesis.ts';
export type { CaughtMail } from './mail/mail-store.ts';
export {
  type MailCatcher,
  type MailCatcherOptions,
  startMailCatcher,
} from './mail/start-mail-catcher.ts';
export { ensureNginx } from './nginx/ensure-nginx.ts';
export { type GatewayConfig, nginxConfig } from './nginx/nginx-config.ts';
export {
  type PostgresOptions,
  type RunningPostgres,
  startPostgres,
} from './postgres/start-postgres.ts';
export { type PostgresRuntime, postgresRuntime } from './postgres/unprivileged.ts';
export { type S3Options, type S3Server, startS3 } from './s3/start-s3.ts';
export { writeAtomically } from './write-atomically.ts';
