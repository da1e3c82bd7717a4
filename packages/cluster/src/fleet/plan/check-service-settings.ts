import { execFile } from 'node:child_process';
import { FleetError } from '../../errors.ts';
import type { Plan } from '../supervisor/plan.ts';
import { SERVICES } from './replica-names.ts';

/**
 * Lets each service read its settings without starting it.
 * @throws FleetError that says which service refuses which variable
 */
export async function checkServiceSettings({ cwd, stages }: Plan): Promise<void> {
  const processes = stages.flatMap((stage) => stage.processes);
  const refusals = await Promise.all(
    SERVICES.map(async (service) => {
      const replica = processes.find((process) => process.service === service);
      const refusal = replica && (await findRefusal(service, { cwd, env: replica.env }));
      return refusal === undefined ? [] : [`${replica?.name} would not start: ${refusal}`];
    }),
  );
  const messages = refusals.flat();
  if (messages.length > 0) throw new FleetError(messages.join('\n'));
}

function findRefusal(
  service: string,
  options: { cwd: string; env: Record<string, string> },
): Promise<string | undefined> {
  const script = `import { readConfig } from './services/${service}/config.ts';
    try { readConfig(process.env); }
    catch (error) { console.log(error.message); process.exit(1); }`;
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      ['--input-type=module', '-e', script],
      options,
      (error, stdout, stderr) => resolve(error ? (stdout || stderr).trim() : undefined),
    ),
  );
}
