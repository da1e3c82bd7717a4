// make status: the processes of the fleet; exit code 1 when one of them is not ready.
import { reportFailure } from './fleet/commands/output.ts';
import { dataFolder } from './fleet/settings.ts';
import { readState, supervisorLives } from './fleet/supervisor/state.ts';
import { statusTable } from './fleet/commands/status-table.ts';

const data = dataFolder(process.env);
try {
  const state = readState(data);
  if (state === undefined) {
    console.log(`no fleet runs from ${data} (make up starts it)`);
    process.exitCode = 1;
  } else {
    const { text, healthy } = await statusTable(state);
    console.log(text);
    const page = state.processes.find(({ name }) => name === 'mail');
    if (page) console.log(`\nmails that the fleet sends: http://localhost:${page.port}`);
    if (!supervisorLives(state))
      console.log(
        '\nthe supervisor is gone: nothing is restarted any more (make up starts the fleet afresh)',
      );
    if (!healthy || !supervisorLives(state)) process.exitCode = 1;
  }
} catch (error) {
  reportFailure('make status', error);
}
