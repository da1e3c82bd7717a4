import type { Finding } from './findings.ts';
import type { LaneReport } from './lane-continuity.ts';
import type { Report } from './report.ts';

const VERDICTS = {
  proven: 'PROVEN',
  incomplete: 'PROVEN, BUT NOT COMPLETE',
  refuted: 'REFUTED',
  unreadable: 'NOT AN EXPORT',
} as const;

export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

export const leaves = (size: number): string => count(size, 'leaf', 'leaves');

/** What is wrong, behind where. */
export function describeFinding({ line, index, message }: Finding): string {
  const where = [
    ...(line === undefined ? [] : [`line ${line}`]),
    ...(index === undefined ? [] : [`index ${index}`]),
  ].join(', ');
  return where === '' ? message : `${where}: ${message}`;
}

function completeness({
  verdict,
  rows,
  first_index: first,
  last_index: last,
  left_out: leftOut,
  filter,
  after,
  next_cursor: next,
}: Report): string {
  const range = first === null ? '' : `, index ${first} to ${last}`;
  if (verdict === 'refuted') return `${count(rows, 'row')}${range}`;
  if (leftOut === 0)
    return `${count(rows, 'row')}${range}: all that the checkpoint holds, none left out`;
  const part = [
    after === null ? '' : `after index ${after}`,
    next === null ? '' : 'with more to follow',
  ]
    .filter(Boolean)
    .join(', ');
  const why =
    filter === null
      ? `a part of the log (${part}), none left out within it`
      : `chosen by the filter ${JSON.stringify(filter)}; whether it left out a row that matches cannot be told from the export`;
  return `${count(rows, 'row')}${range}, each as it was sealed; ${count(leftOut, 'other row')} not in here: ${why}`;
}

export function describeConsistency({
  consistency: answer,
}: Pick<Report, 'consistency'>): string | undefined {
  if (!answer) return undefined;
  const size = leaves(answer.earlier_size);
  if (answer.outcome === 'proven')
    return `with the earlier checkpoint of ${size}: nothing of it was rewritten`;
  return answer.outcome === 'refuted'
    ? `REFUTED against the earlier checkpoint of ${size}`
    : `with the earlier checkpoint of ${size} NOT SHOWN: needs ${answer.needed}`;
}

function lanesOf(lanes: readonly LaneReport[]): string {
  const broken = lanes.filter(({ holes_total: holes, disordered }) => holes > 0 || disordered > 0);
  if (broken.length === 0) return `${count(lanes.length, 'lane')}, each numbered without holes`;
  const shown = broken.slice(0, 8).map(({ lane, holes, holes_total: total, disordered }) => {
    const ranges = holes
      .slice(0, 4)
      .map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`))
      .join(' ');
    return `${lane} without ${ranges}${total > 4 ? ' ...' : ''}${disordered > 0 ? `, ${disordered} out of order` : ''}`;
  });
  return `${count(lanes.length, 'lane')}, of which ${broken.length} with holes: ${shown.join('; ')}${broken.length > 8 ? '; ...' : ''}`;
}

/** A report for people. @param name of the export */
export function describe(name: string, report: Report): string {
  const { verdict, findings, findings_total: total, checkpoint, personal, lanes } = report;
  const lines = [`${VERDICTS[verdict]}  ${name}`];
  const say = (label: string, text: string | undefined): void => {
    if (text !== undefined) lines.push(`  ${label.padEnd(12)}${text}`);
  };
  for (const finding of findings) say('wrong', describeFinding(finding));
  if (total > findings.length) say('', `and ${total - findings.length} more`);
  if (verdict === 'unreadable') say('wrong', 'its first line is not the header of an export');
  if (!checkpoint) return `${lines.join('\n')}\n`;
  say('log', `${checkpoint.origin}, ${leaves(checkpoint.size)}, root ${checkpoint.root}`);
  say('signed by', checkpoint.signed_by.join(', '));
  say('rows', completeness(report));
  say('consistent', describeConsistency(report));
  if (personal.matched + personal.withheld > 0)
    say(
      'personal',
      `${count(personal.matched, 'row')} with values, those that were sealed; ${count(personal.withheld, 'row')} whose values are not in here`,
    );
  if (lanes.length > 0) say('numbering', lanesOf(lanes));
  return `${lines.join('\n')}\n`;
}
