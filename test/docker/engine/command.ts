import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

export interface CommandOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** Written to the command's standard input. */
  input?: string;
  timeoutMs?: number;
}

export interface Finished {
  code: number | null;
  stdout: string;
  /** Both streams, as they came. */
  output: string;
}

const DEFAULT_TIMEOUT_MS = 600_000;
const TAIL_LINES = 25;

/** Everything that commands have said, for a look after a failure. */
let logFile: string | undefined;

export function logCommandsTo(file: string): void {
  logFile = file;
}

/** Runs a command to its end, without judging how it ended. */
export async function tryCommand(
  [command = '', ...args]: string[],
  { env = {}, cwd, input, timeoutMs = DEFAULT_TIMEOUT_MS }: CommandOptions = {},
): Promise<Finished> {
  const log = (text: string): void => {
    if (logFile !== undefined) appendFileSync(logFile, text);
  };
  log(`\n$ ${[command, ...args].join(' ')}\n`);
  const child = spawn(command, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let output = '';
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
    log(chunk.toString());
  };
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    take(chunk);
  });
  child.stderr.on('data', take);
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(null);
    });
    child.once('close', resolve);
  });
  return { code, stdout, output };
}

/** Runs a command. @returns its standard output @throws Error with its last words */
export async function command(words: string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, output } = await tryCommand(words, options);
  if (code !== 0)
    throw new Error(
      `${words.slice(0, 6).join(' ')} ended with ${code ?? 'no code'}:\n` +
        output.trimEnd().split('\n').slice(-TAIL_LINES).join('\n'),
    );
  return stdout;
}
