import { toEntry, type Entry } from './export-entry.ts';
import type { ExportFormat } from './format.ts';

/**
 * An entry as a CloudEvent 1.0 in the JSON event format. The extension `sequence` is the index as
 * text of fixed length, so that it sorts. The specification wants empty attributes absent.
 */
export function cloudEvent(entry: Entry): Record<string, unknown> {
  return {
    specversion: '1.0',
    id: entry.id,
    source: `/muniment/${entry.source}`,
    type: `dev.muniment.audit.${entry.action}`,
    ...(entry.resource !== null && entry.resource !== '' && { subject: entry.resource }),
    time: entry.timestamp,
    datacontenttype: 'application/json',
    sequence: String(entry.index).padStart(16, '0'),
    ...(entry.traceparent !== null && { traceparent: entry.traceparent }),
    data: entry,
  };
}

/** One CloudEvent a line. */
export const cloudevents: ExportFormat = {
  mediaType: 'application/x-ndjson; profile="application/cloudevents+json"',
  extension: 'cloudevents.ndjson',
  async *write(_start, rows) {
    for await (const batch of rows)
      yield batch.map((row) => `${JSON.stringify(cloudEvent(toEntry(row)))}\n`).join('');
  },
};
