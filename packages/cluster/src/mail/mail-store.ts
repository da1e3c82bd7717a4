import PostalMime from 'postal-mime';

/** A mail as the page shows it. */
export interface CaughtMail {
  id: number;
  /** ISO 8601. */
  received: string;
  /** Envelope sender (RFC 5321), not the header's. */
  from: string;
  to: string[];
  message_id: string | null;
  subject: string;
  text: string;
  html: string;
  headers: { name: string; value: string }[];
}

export interface Envelope {
  from: string;
  to: string[];
}

export interface MailStore {
  add(envelope: Envelope, raw: Buffer): Promise<void>;
  /** Newest first. */
  list(): CaughtMail[];
  clear(): void;
}

export interface MailStoreOptions {
  /** Most mails. */
  mails: number;
  /** Most bytes of all mails, as received. */
  bytes: number;
}

/** Stores the newest mails, in memory only: they contain links that open accounts. */
export function createMailStore({ mails, bytes }: MailStoreOptions): MailStore {
  let stored: { mail: CaughtMail; size: number }[] = [];
  let last = 0;
  return {
    async add({ from, to }, raw) {
      const {
        messageId,
        subject = '',
        text = '',
        html = '',
        headers,
      } = await PostalMime.parse(raw);
      const mail: CaughtMail = {
        id: (last += 1),
        received: new Date().toISOString(),
        from,
        to,
        message_id: messageId ?? null,
        subject,
        text,
        html,
        headers: headers.map(({ key, value }) => ({ name: key, value })),
      };
      stored = [{ mail, size: raw.length }, ...stored].slice(0, mails);
      while (stored.length > 1 && stored.reduce((sum, { size }) => sum + size, 0) > bytes)
        stored.pop();
    },
    list: () => stored.map(({ mail }) => mail),
    clear: () => {
      stored = [];
    },
  };
}
