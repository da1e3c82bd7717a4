/** One event of a stream (WHATWG HTML §9.2.6). */
export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

export interface EventParser {
  /** The events that the text completes. */
  push(text: string): ServerEvent[];
  /** The id to resume from: that of the last whole event, also of one without data. */
  lastEventId(): string;
  /** The pause that the stream asks for before a reconnect. */
  retryMs(): number | undefined;
}

interface Fields {
  event: string;
  data: string[];
}

/** @param lastEventId that of the connection before, which lasts until an event has another */
export function createEventParser(lastEventId: string): EventParser {
  let rest = '';
  let fields: Fields = { event: '', data: [] };
  // Not yet the position: an event that is cut off behind its id would be lost.
  const seen = { id: lastEventId, wholeId: lastEventId, retryMs: undefined as number | undefined };

  function endEvent(): ServerEvent | undefined {
    const { event, data } = fields;
    fields = { event: '', data: [] };
    seen.wholeId = seen.id;
    if (data.length === 0) return undefined;
    return { id: seen.id, event: event === '' ? 'message' : event, data: data.join('\n') };
  }

  function readField(line: string): void {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'data') fields.data.push(value);
    else if (name === 'event') fields.event = value;
    else if (name === 'id' && !value.includes('\0')) seen.id = value;
    else if (name === 'retry' && /^\d{1,9}$/.test(value)) seen.retryMs = Number(value);
  }

  return {
    push(text) {
      // A CR at the end may be half of a CRLF.
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      const events: ServerEvent[] = [];
      for (const line of lines) {
        const event = line === '' ? endEvent() : undefined;
        if (event) events.push(event);
        if (line !== '') readField(line);
      }
      return events;
    },
    lastEventId: () => seen.wholeId,
    retryMs: () => seen.retryMs,
  };
}
