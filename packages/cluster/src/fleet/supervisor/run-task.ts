import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { failureOf } from './failure.ts';
import type { TaskSpec } from './plan.ts';

/** Runs a task to its end. @throws FleetError with its last log lines */
export function runTask(task: TaskSpec, cwd: string): Promise<void> {
  const fd = openSync(task.log, 'a', 0o600);
  const [command = '', ...args] = task.command;
  const child = spawn(command, args, { cwd, env: task.env, stdio: ['ignore', fd, fd] });
  closeSync(fd);
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(failureOf(`${task.name} failed: ${error.message}`, task.log)),
    );
    child.once('exit', (code, signal) =>
      code === 0
        ? resolve()
        : reject(failureOf(`${task.name} failed (${signal ?? `exit code ${code}`})`, task.log)),
    );
  });
}
