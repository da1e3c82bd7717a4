export const SERVICES = ['user', 'file', 'audit'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Each service's replicas, e.g. user-1. */
export function replicaNames(replicas: number): { service: ServiceName; name: string }[] {
  return SERVICES.flatMap((service) =>
    Array.from({ length: replicas }, (_, index) => ({ service, name: `${service}-${index + 1}` })),
  );
}

/** Every name that needs a port, except the gateway. */
export function portNames(replicas: number): string[] {
  return [
    'postgres',
    'kinesis',
    's3',
    'smtp',
    'mail',
    ...replicaNames(replicas).map(({ name }) => name),
  ];
}
