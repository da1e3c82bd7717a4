/** The wire form of server-sent events: WHATWG HTML, «Server-sent events», 9.2.6 «Interpreting an event stream». */

/** Opens a stream: how long to wait before connecting again, and the id to resume from even if no event ever comes. */
export const formatOpening = (retryMs: number, id: number): string =>
  `retry: ${retryMs}\nid: ${id}\n\n`;

/** An event. `data` is JSON on one line: it holds no line end, as JSON escapes them within strings. */
export const formatEvent = (id: number, data: string): string =>
  `id: ${id}\nevent: audit\ndata: ${data}\n\n`;

/** Keeps proxies from closing the line. The id moves on over events that a filter holds back, so that a resumption does not look at them again. */
export const formatHeartbeat = (id: number): string => `:\nid: ${id}\n\n`;

/** Tells a person who reads the stream why it ends; a client connects again. */
export const formatComment = (text: string): string => `: ${text}\n\n`;
