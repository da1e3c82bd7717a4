// make status: the processes of the fleet. Exit code 1 when one of them is not ready.
import { reportFailure } from './fleet/commands/output.ts';
import { statusTable } from './fleet/commands/status-table.ts';
import { MAIL_USER } from './fleet/plan/fleet-parts.ts';
import { dataFolder } from './fleet/settings.ts';
import { isSupervisorAlive, readState } from './fleet/supervisor/state.ts';

async function status(data: string): Promise<boolean> {
  const state = readState(data);
  if (state === undefined) {
    console.log(`no fleet runs from ${data} (make up starts it)`);
    return false;
  }
  const { text, healthy } = await statusTable(state);
  console.log(text);
  const mail = state.processes.find(({ name }) => name === 'mail');
  if (mail)
    console.log(
      `\nmails that the fleet sends: http://localhost:${mail.port} ` +
        `(user ${MAIL_USER}, password in ${data}/secrets/mail-password)`,
    );
  if (isSupervisorAlive(state)) return healthy;
  console.log('\nthe supervisor is gone: nothing is restarted (make up starts the fleet anew)');
  return false;
}

try {
  if (!(await status(dataFolder(process.env)))) process.exitCode = 1;
} catch (error) {
  reportFailure('make status', error);
}
