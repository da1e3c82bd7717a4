import { Counter, Gauge, type Registry } from 'prom-client';
import type { Sealer, SealerStatus } from './sealer.ts';

/** Puts the sealer's state into the replica's metrics. */
export function measureSealer(sealer: Sealer, registry: Registry): void {
  const gauge = (name: string, help: string, value: (status: SealerStatus) => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value(sealer.status()));
      },
    });
  };
  new Counter({
    name: 'muniment_sealer_sealed_total',
    help: 'Events that this replica has sealed.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(sealer.status().sealed);
    },
  });
  gauge('muniment_sealer_holder', '1 on the replica that seals.', ({ holder }) => (holder ? 1 : 0));
  gauge('muniment_sealer_unsealed', 'Numbers stored and not sealed.', ({ unsealed }) => unsealed);
  gauge(
    'muniment_sealer_unsealed_oldest_age_seconds',
    'Age of the oldest stored event that waits to be sealed.',
    ({ oldestUnsealedMs }) => oldestUnsealedMs / 1_000,
  );
  gauge('muniment_sealer_tree_size', 'Leaves of the log.', ({ size }) => size);
  gauge(
    'muniment_sealer_checkpoint_size',
    'Leaves of the newest signed checkpoint.',
    ({ checkpoint }) => checkpoint?.size ?? 0,
  );
  gauge(
    'muniment_sealer_checkpoint_age_seconds',
    'Age of the newest signed checkpoint. It grows while nothing happens.',
    ({ checkpoint }) => (checkpoint ? (Date.now() - checkpoint.at.getTime()) / 1_000 : 0),
  );
  gauge(
    'muniment_sealer_published_size',
    'Leaves of the newest checkpoint in the bucket, as the sealing replica knows it.',
    ({ published }) => published ?? 0,
  );
  gauge(
    'muniment_sealer_history_altered',
    '1 while what is stored contradicts what was signed: nothing is sealed or signed.',
    ({ alarm }) => (alarm ? 1 : 0),
  );
}
