import { Type } from 'typebox';
import type { Visibility } from '../trail/readers/visibility.ts';
import type { StoredCheckpoint } from '../proofs/tree/checkpoint-queries.ts';
import type { LoggedEvent } from '../trail/log-queries.ts';
import { renderEntries, type RenderParts } from '../trail/log-resource.ts';
import { formatEvent, formatNotice } from './event-source.ts';

/** A signed head of the log, when all that the reader may see below its size was sent. */
export const checkpointSchema = Type.Object({
  size: Type.Integer({ description: 'Entries of the log that it signs.' }),
  note: Type.String({ description: 'The signed note (C2SP tlog-checkpoint).' }),
});

/** How a stream writes the part of the log that it shows. One object serves one stream. */
export interface StreamFormat {
  /** The text before the first event. */
  open(): Promise<string>;
  /** The text of events in the log's order. Those between them are left out. */
  events(events: readonly LoggedEvent[]): Promise<string>;
  /** What the text must say before its reader may resume behind this position. May be empty. */
  skipTo(position: number): Promise<string>;
  /** A signed head whose entries were written or left out. */
  checkpoint(signed: StoredCheckpoint): Promise<string>;
}

/** Personal values as a filter compares them. */
export interface PersonalFields {
  ip?: string | null;
  email?: string | null;
}

/** Whether an event's opened personal values pass the filter. */
export type MatchValues = (values: PersonalFields) => boolean;

export const formatCheckpoint = ({ size, note }: StoredCheckpoint): string =>
  formatNotice('checkpoint', { size, note });

/** Entries as lists show them. */
export function createEntryFormat(
  parts: RenderParts,
  { visibility, matches }: { visibility: Visibility; matches: MatchValues | undefined },
): StreamFormat {
  return {
    open: async () => '',
    async events(events) {
      const entries = await renderEntries(parts, visibility, events);
      const texts = events.map(({ index }, n) => {
        const entry = entries[n] ?? '';
        const isShown = !matches || matches(JSON.parse(entry) as PersonalFields);
        return isShown ? formatEvent(index, entry) : '';
      });
      return texts.join('');
    },
    skipTo: async () => '',
    checkpoint: async (signed) => formatCheckpoint(signed),
  };
}
