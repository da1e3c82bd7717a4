import { describe } from '../export/describe.ts';
import type { Report } from '../export/report.ts';
import { createExportVerification } from '../export/verify-export.ts';
import { parseOptions, render, type Outcome } from './options.ts';
import { bytesOf, isFileError, readEarlier, readKeys, UsageError } from './inputs.ts';

/** `audit-verify --key FILE EXPORT` */
export async function verifyExportFile(args: readonly string[], usage: string): Promise<Outcome> {
  const { values, positionals } = parseOptions(args, {}, usage);
  if (values.help) return { text: usage, code: 0 };
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0 || values.key === undefined)
    throw new UsageError(usage);
  const keys = await readKeys(values.key);
  const verification = createExportVerification({ keys, ...(await readEarlier(values)) });
  let report: Report;
  try {
    for await (const chunk of bytesOf(file)) verification.push(chunk);
    report = verification.end();
  } catch (error) {
    if (isFileError(error)) throw new UsageError(`the export cannot be read: ${error.message}`);
    report = verification.end(error instanceof Error ? error.message : String(error));
  }
  return render(report, values, () => describe(file, report));
}
