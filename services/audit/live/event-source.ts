/** The text of server-sent events (WHATWG HTML 9.2.6, "Interpreting an event stream"). */

/** Opens a stream: the pause before reconnecting, and the id to resume from before any event. */
export const formatOpening = (retryMs: number, id: number): string =>
  `retry: ${retryMs}\nid: ${id}\n\n`;

/** @param data JSON, which escapes line ends, so that it stands on one line */
export const formatEvent = (id: number, data: string): string =>
  `id: ${id}\nevent: audit\ndata: ${data}\n\n`;

/** An event that is no entry. It leaves the id to resume from as it is. */
export const formatNotice = (event: string, data: object): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Hashes in the place of entries that are left out, up to the one with this id. */
export const formatGap = (id: number, data: object): string =>
  `id: ${id}\n${formatNotice('gap', data)}`;

/**
 * Keeps proxies from closing the connection. The id moves past events that the filter holds back.
 */
export const formatHeartbeat = (id: number): string => `:\nid: ${id}\n\n`;
