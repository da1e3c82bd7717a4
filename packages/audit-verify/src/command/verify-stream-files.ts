import { describeStream } from '../stream/describe-stream.ts';
import { createStreamVerification } from '../stream/verify-stream.ts';
import { bytesOf, isFileError, readEarlier, readKeys, UsageError } from './inputs.ts';
import { parseOptions, render, type Outcome } from './options.ts';

function parseAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^(-1|0|[1-9][0-9]{0,14})$/.test(text))
    throw new UsageError(`--after is the index behind which you asked for events, not ${text}`);
  return Number(text);
}

/** `--after -1` as `--after=-1`: the parser would take -1 for an option. */
const joinAfter = (args: readonly string[]): string[] =>
  args.flatMap((arg, n) => {
    if (arg === '--after' && args[n + 1] === '-1') return ['--after=-1'];
    return arg === '-1' && args[n - 1] === '--after' ? [] : [arg];
  });

/** `audit-verify stream --key FILE RECORDING...` */
export async function verifyStreamFiles(args: readonly string[], usage: string): Promise<Outcome> {
  const { values, positionals } = parseOptions(
    joinAfter(args),
    { after: { type: 'string' } },
    usage,
  );
  if (values.help) return { text: usage, code: 0 };
  if (positionals.length === 0 || values.key === undefined) throw new UsageError(usage);
  const keys = await readKeys(values.key);
  const after = parseAfter(values.after);
  const verification = createStreamVerification({ keys, after, ...(await readEarlier(values)) });
  for (const file of positionals) {
    verification.begin();
    try {
      for await (const chunk of bytesOf(file)) verification.push(chunk);
    } catch (error) {
      if (isFileError(error))
        throw new UsageError(`the recording cannot be read: ${error.message}`);
      throw error;
    }
  }
  const report = verification.end();
  return render(report, values, () => describeStream(positionals.join(', '), report));
}
