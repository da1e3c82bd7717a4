import { Gauge, type Registry } from 'prom-client';
import type { PasswordHasher } from '@muniment/security';

/** Measures the queue of password hashes; when full, logins get 503. */
export function measurePasswords(passwords: PasswordHasher, metrics: Registry): void {
  new Gauge({
    name: 'muniment_password_hashes',
    help: 'Password hashes by whether they run or wait.',
    labelNames: ['state'],
    registers: [metrics],
    collect() {
      const { running, waiting } = passwords.load();
      this.set({ state: 'running' }, running);
      this.set({ state: 'waiting' }, waiting);
    },
  });
}
