import { count, describeConsistency, describeFinding, leaves } from '../export/describe.ts';
import { indexes } from '../export/findings.ts';
import type { StreamReport } from './stream-report.ts';

const VERDICTS = {
  proven: 'PROVEN',
  incomplete: 'NOT REFUTED, AND NOT PROVEN COMPLETE',
  refuted: 'REFUTED',
  unreadable: 'NOT A STREAM WITH PROOFS',
} as const;

function describeRange({ verdict, proven, left_out: leftOut, filter }: StreamReport): string {
  if (verdict === 'refuted') return 'nothing is claimed, since something is wrong';
  if (!proven) return 'no entry, as no checkpoint follows one';
  const range = indexes(proven[0], proven[1] + 1);
  if (leftOut === 0)
    return `${range}: each entry of the log is here as it was sealed, none missing`;
  return (
    `${range}: the rows are as they were sealed; ` +
    `${count(leftOut, 'other entry', 'other entries')} not in here, ` +
    `chosen by ${JSON.stringify(filter)}. ` +
    'Whether a row that matches was left out cannot be told from the stream'
  );
}

function describeEnd({ end, unproven_rows: rows }: StreamReport): string {
  const unproven = rows === 0 ? '' : `${count(rows, 'row')} that no checkpoint covers; `;
  const how = end === null ? 'the recording ends without saying why' : `the server said ${end}`;
  return `${unproven}${how}; of later entries nothing is said`;
}

/** A report for people. @param name of the recordings */
export function describeStream(name: string, report: StreamReport): string {
  const { verdict, findings, findings_total: total, checkpoint, personal } = report;
  const lines = [`${VERDICTS[verdict]}  ${name}`];
  const say = (label: string, text: string | undefined): void => {
    if (text !== undefined) lines.push(`  ${label.padEnd(12)}${text}`);
  };
  for (const finding of findings) say('wrong', describeFinding(finding));
  if (total > findings.length) say('', `and ${total - findings.length} more`);
  if (verdict === 'unreadable') say('wrong', 'no opening: record the stream with proof=true');
  else {
    const { first_index: first, rows, connections } = report;
    say('stream', `${count(rows, 'row')}, ${count(connections, 'connection')}`);
    if (first) say('begins', `at index ${first}; of earlier entries nothing is said`);
    say('proven', describeRange(report));
    if (checkpoint)
      say(
        'log',
        `${checkpoint.origin}, ${leaves(checkpoint.size)}, ` +
          `root ${checkpoint.root}, signed by ${checkpoint.signed_by.join(', ')}`,
      );
    say('consistent', describeConsistency(report));
    if (personal.matched + personal.withheld > 0)
      say(
        'personal',
        `${count(personal.matched, 'row')} with values, those that were sealed; ` +
          `${count(personal.withheld, 'row')} whose values are not in here`,
      );
    say('ends', describeEnd(report));
  }
  return `${lines.join('\n')}\n`;
}
