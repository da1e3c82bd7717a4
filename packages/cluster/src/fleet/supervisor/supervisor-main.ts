// The detached process that runs the fleet: node supervisor-main.ts <plan.json>
import { readFileSync } from 'node:fs';
import type { Plan } from './plan.ts';
import { createSupervisor } from './supervisor.ts';

const [file = ''] = process.argv.slice(2);
const plan: Plan = JSON.parse(readFileSync(file, 'utf8'));
const supervisor = createSupervisor(plan);
// The terminal of `make up` may close. SIGTERM ends the fleet.
process.on('SIGHUP', () => {});
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => void supervisor.stop().then(() => process.exit(0)));
await supervisor.start().catch(() => process.exit(1));
