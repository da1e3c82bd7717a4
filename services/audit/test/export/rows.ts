import { canonicalJson, sealedForm, type AuditEvent, type Json } from '@muniment/audit-events';
import type { ExportRow, ExportRows, ExportFormat } from '../../export/format.ts';
import { anEvent } from '../records.ts';

/** A row as an export gets it. `values` are the personal ones, opened; null: erased. */
export function aRow(
  index: number,
  more: Partial<AuditEvent> = {},
  values: Record<string, Json> | null = {
    email: 'ada@example.com',
    ip: '192.0.2.7',
    user_agent: 'tap',
  },
): ExportRow {
  const event = anEvent(more);
  return {
    id: event.id,
    index,
    record: sealedForm(event),
    subject: event.personal?.subject ?? null,
    personal_key_id: null,
    personal_nonce: null,
    personal_ciphertext: null,
    personal: values && { salt: Buffer.alloc(32), values: canonicalJson(values) },
  };
}

/** What a format writes of these rows, whole. */
export async function written(format: ExportFormat, rows: readonly ExportRow[]): Promise<string> {
  const batches: ExportRows = {
    more: false,
    async *[Symbol.asyncIterator]() {
      yield rows;
    },
  };
  let text = '';
  for await (const piece of format.write(
    {
      checkpoint: { note: 'note', size: rows.length },
      filter: null,
      after: null,
      tree: { hashRange: async () => [] },
    },
    batches,
    () => '',
  ))
    text += piece;
  return text;
}
