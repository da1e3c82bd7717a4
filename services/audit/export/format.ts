import type { CommittedValues } from '@muniment/audit-events';
import type { FilterQuery } from '../trail/filter.ts';
import type { LoggedEvent } from '../trail/log-queries.ts';

/** An event to export; `personal` only where the reader may see it and its key exists. */
export interface ExportRow extends LoggedEvent {
  personal: CommittedValues | null;
}

/** The roots of the fewest subtrees that cover the leaves [from, to), in order (RFC 6962 §2.1). */
export interface LeafRanges {
  hashRange(from: number, to: number): Promise<readonly Uint8Array[]>;
}

/** The contents of an export's header, known before the first row. */
export interface ExportStart {
  /** The signed note of the tree in which everything is proven. */
  checkpoint: { note: string; size: number };
  /** null: every entry. */
  filter: (FilterQuery & { concerning?: string }) | null;
  /** Index of the last row of the part before. */
  after: number | null;
  tree: LeafRanges;
}

/** Rows in batches, in the log's order. `more` tells, once all are read, whether others follow. */
export interface ExportRows extends AsyncIterable<readonly ExportRow[]> {
  readonly more: boolean;
}

export interface ExportFormat {
  mediaType: string;
  extension: string;
  /** @param cursorAt encodes the cursor of the part behind an index */
  write(
    start: ExportStart,
    rows: ExportRows,
    cursorAt: (index: number) => string,
  ): AsyncGenerator<string>;
}
