import { generateKeyPairSync, hash, randomBytes, sign, type KeyObject } from 'node:crypto';
import {
  createCompactRange,
  formatCheckpoint,
  formatVerifierKey,
  leafHash,
  parseVerifierKey,
  subtreeHeights,
  type VerifierKey,
} from '../../src/index.ts';
import { treeRoot } from '../log/reference-tree.ts';

export interface TestSigner {
  origin: string;
  privateKey: KeyObject;
  /** The line of the public key. */
  line: string;
  key: VerifierKey;
}

export function createSigner(origin = 'log.example/audit'): TestSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const line = formatVerifierKey(
    origin,
    publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
  );
  return { origin, privateKey, line, key: parseVerifierKey(line) };
}

export function signedNote(text: string, { origin, privateKey, key }: TestSigner): string {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(key.id);
  return `${text}\n\u2014 ${origin} ${Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]).toString('base64')}\n`;
}

export interface TestRow {
  record: string;
  personal: { salt: string; values: string } | null;
}

/** Rows of two lanes; every third has personal values that are shown, every fourth some that are not. */
export function someRows(count: number, fill = ''): TestRow[] {
  return Array.from({ length: count }, (_, n) => {
    const values = JSON.stringify({
      email: `ädä${n}@example.com`,
      note: 'a "quote", \\ and \u2028',
    });
    const salt = randomBytes(32);
    const commitment = hash('sha256', Buffer.concat([salt, Buffer.from(values)]), 'base64');
    const personal = n % 3 === 0 || n % 4 === 0 ? { commitment, subject: `subject-${n}` } : null;
    const lane = n % 2;
    return {
      // The order of keys of RFC 8785, and metadata that tries to be taken for more than it is.
      record: JSON.stringify({
        action: 'FILE_UPLOAD',
        error: null,
        id: `018f2a3b-4c5d-7e6f-8a9b-${n.toString(16).padStart(12, '0')}`,
        lane,
        metadata: {
          fill,
          index: n,
          personal: null,
          text: `,"index":9,"hash":"x" ,"seq":77,"source":"y" äöü ${n}`,
        },
        outcome: 'success',
        personal,
        request_id: `r${n}`,
        resource: null,
        resource_type: null,
        seq: Math.floor(n / 2) + 1,
        session_id: null,
        source: 'user',
        tenant_id: null,
        timestamp: '2026-01-01T00:00:00.000Z',
        traceparent: null,
        user_id: null,
        version: 1,
      }),
      personal: n % 3 === 0 ? { salt: salt.toString('base64'), values } : null,
    };
  });
}

export interface ExportOptions {
  signer: TestSigner;
  rows: readonly TestRow[];
  /** Which rows are in it; the others are gaps. */
  include?: (index: number) => boolean;
  filter?: object | null;
  after?: number | null;
  nextCursor?: string | null;
  /** Leaves of the tree that is signed; the rows after it are not written. */
  size?: number;
}

export const hashesOf = (rows: readonly TestRow[]): Buffer[] =>
  rows.map(({ record }) => leafHash(Buffer.from(record)));

export function checkpointNote(hashes: readonly Buffer[], signer: TestSigner): string {
  const range = createCompactRange();
  for (const hash_ of hashes) range.append(hash_);
  return signedNote(
    formatCheckpoint({ origin: signer.origin, size: range.size, root: range.root() }),
    signer,
  );
}

export const rowLine = ({ record, personal }: TestRow, index: number): string =>
  `{"event":${record},"index":${index},"hash":"${leafHash(Buffer.from(record)).toString('base64')}","personal":${JSON.stringify(personal)}}`;

export function gapLine(hashes: readonly Buffer[], from: number, to: number): string {
  const cut: string[] = [];
  let at = from;
  for (const height of subtreeHeights(from, to)) {
    cut.push(treeRoot(hashes.slice(at, at + 2 ** height)).toString('base64'));
    at += 2 ** height;
  }
  return JSON.stringify({ gap: [from, to], hashes: cut });
}

/** The lines of an export, without their LF. */
export function writeExport({
  signer,
  rows,
  include = () => true,
  filter = null,
  after = null,
  nextCursor = null,
  size = rows.length,
}: ExportOptions): string[] {
  const hashes = hashesOf(rows.slice(0, size));
  const lines = [
    JSON.stringify({
      muniment_export: 1,
      checkpoint: checkpointNote(hashes, signer),
      filter,
      after,
    }),
  ];
  let gapFrom = 0;
  let written = 0;
  for (let index = 0; index <= size; index += 1) {
    if (index < size && !include(index)) continue;
    if (gapFrom < index) lines.push(gapLine(hashes, gapFrom, index));
    gapFrom = index + 1;
    if (index === size) break;
    lines.push(rowLine(rows[index] as TestRow, index));
    written += 1;
  }
  lines.push(JSON.stringify({ end: { rows: written, next_cursor: nextCursor } }));
  return lines;
}

export const bytesOf = (lines: readonly string[]): Buffer =>
  Buffer.from(lines.map((line) => `${line}\n`).join(''));
