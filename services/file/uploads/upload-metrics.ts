import { Gauge, type Registry } from 'prom-client';
import type { BufferPool } from '../object-store/buffer-pool.ts';

/** Measures the memory that uploads use. */
export function measureUploads(pool: BufferPool, registry: Registry): void {
  new Gauge({
    name: 'muniment_upload_buffers_lent',
    help: 'Buffers of 5 MiB that uploads hold.',
    registers: [registry],
    collect() {
      this.set(pool.load().lent);
    },
  });
  new Gauge({
    name: 'muniment_uploads_waiting',
    help: 'Uploads that wait for a buffer.',
    registers: [registry],
    collect() {
      this.set(pool.load().waiting);
    },
  });
}
