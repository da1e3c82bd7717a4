export { FleetError } from './errors.ts';
export { freePort } from './free-port.ts';
export { type KinesisOptions, type RunningKinesis, startKinesis } from './kinesis/start-kinesis.ts';
export { type PostgresOptions, type RunningPostgres, startPostgres } from './postgres/start-postgres.ts';
