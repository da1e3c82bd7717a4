import PostalMime from 'postal-mime';

/** A mail as the catcher shows it. */
export interface CaughtMail {
  id: number;
  /** ISO 8601, when it came. */
  received: string;
  /** Of the envelope (RFC 5321), not of the header. */
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
  /** Mails kept at most, in memory. */
  mails: number;
  /** Bytes of all of them, as they came. */
  bytes: number;
}

/** The newest mails, in memory and nowhere else: what was caught holds links that open accounts. */
export function createMailStore({ mails, bytes }: MailStoreOptions): MailStore {
  let kept: { mail: CaughtMail; size: number }[] = [];
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
      kept = [{ mail, size: raw.length }, ...kept].slice(0, mails);
      while (kept.length > 1 && kept.reduce((sum, { size }) => sum + size, 0) > bytes) kept.pop();
    },
    list: () => kept.map(({ mail }) => mail),
    clear: () => {
      kept = [];
    },
  };
}
