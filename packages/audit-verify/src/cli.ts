#!/usr/bin/env node
import { UsageError } from './command/inputs.ts';
import { verifyExportFile } from './command/verify-export-file.ts';
import { verifyStreamFiles } from './command/verify-stream-files.ts';

const USAGE = `usage: audit-verify --key FILE [--checkpoint FILE] [--consistency FILE] [--json] [--allow-incomplete] EXPORT
       audit-verify stream --key FILE [--after N] [the same options] RECORDING...

Verifies an export of the audit trail (format=ndjson; plain or gzip; - reads standard input), or what was recorded of its
live stream (proof=true), offline, trusting nothing but the key.

  --key FILE          the pinned public key: a C2SP verifier key, several lines after a rotation
  --checkpoint FILE   a signed checkpoint that was kept from earlier: history up to it must be the same
  --consistency FILE  the answer of GET /api/audit/consistency, where the file alone cannot show that (it then says so)
  --after N           a stream: the index behind which you asked for events, -1 for all; a later beginning is refuted
  --json              the report as JSON
  --allow-incomplete  ends with 0 also for what would end with 3

A recording holds the bytes of one connection or of several. Those that were cut off belong in a file each, in their order.

ends with 0  proven: every row up to the checkpoint, each as it was sealed; of a stream: from its beginning on
          1  refuted: what is wrong, and where
          2  nothing was checked: usage, a file that cannot be read, not an export or stream
          3  nothing wrong, but rows are left out (a filter, a part), not signed yet, or consistency could not be shown
`;

try {
  const [command, ...rest] = process.argv.slice(2);
  const { text, code } =
    command === 'stream'
      ? await verifyStreamFiles(rest, USAGE)
      : await verifyExportFile(process.argv.slice(2), USAGE);
  process.stdout.write(text);
  process.exitCode = code;
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message.trimEnd()}\n`);
  process.exitCode = 2;
}
