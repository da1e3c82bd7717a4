import type { CommittedValues } from '@muniment/audit-events';
import type { FilterQuery } from '../trail/filter.ts';
import type { LoggedEvent } from '../trail/log-queries.ts';

/** An event as an export writes it; `personal` only where the reader may see it and its key still exists. */
export interface ExportRow extends LoggedEvent {
  personal: CommittedValues | null;
}

/** What of the tree an export needs: the roots of the least subtrees that cover the leaves [from, to), in order (RFC 6962 §2.1). */
export interface LeafRanges {
  hashRange(from: number, to: number): Promise<readonly Uint8Array[]>;
}

/** What is known before the first row. */
export interface ExportStart {
  /** The signed note whose tree everything in the export is proven in. */
  checkpoint: { note: string; size: number };
  /** null: every entry. */
  filter: (FilterQuery & { concerning?: string }) | null;
  /** Index of the last row of the part before. */
  after: number | null;
  tree: LeafRanges;
}

/** Rows in batches, in order of the log, and whether more than were asked for would follow: known once they are all read. */
export interface ExportRows extends AsyncIterable<readonly ExportRow[]> {
  readonly more: boolean;
}

export interface ExportFormat {
  mediaType: string;
  extension: string;
  /** @param cursorAt the cursor with which the next part begins behind an index */
  write(
    start: ExportStart,
    rows: ExportRows,
    cursorAt: (index: number) => string,
  ): AsyncGenerator<string>;
}
