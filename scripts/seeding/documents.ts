import { constants, crc32, deflateSync } from 'node:zlib';
import type { Random } from './random.ts';

export interface Document {
  /** ASCII, without quotes. */
  name: string;
  type: string;
  /** Makes the content, once: a run that finds the file needs its name alone. */
  render(): Buffer;
}

const ITEMS = [
  'Paper A4',
  'Toner',
  'Desk lamp',
  'Courier',
  'Translation',
  'Support, hours',
  'Chair',
];
const SUBJECTS = ['minutes', 'offer', 'contract-draft', 'delivery-note', 'travel-report'];
const SENTENCES = [
  'The delivery arrived complete and on time.',
  'Both sides agreed to meet again in two weeks.',
  'The remaining amount is due within thirty days.',
  'A copy goes to the archive, and one to the customer.',
  'Prices are without tax unless they say otherwise.',
  'The signature of one managing director is enough.',
];

const STRIPE_HEIGHT = 8;

const MAKERS = [createInvoice, createNote, createPicture, createLetter];

/**
 * What a person of an office keeps: an invoice, a note, a picture or a letter.
 * @param random its own, since the content is made later or not at all
 */
export function createDocument(random: Random, n: number): Document {
  return random.pick(MAKERS)(random, n);
}

function createInvoice(random: Random, n: number): Document {
  const name = `invoice-${random.integer(2019, 2026)}-${String(n).padStart(3, '0')}.csv`;
  return { name, type: 'text/csv', render: () => renderInvoice(random) };
}

function renderInvoice(random: Random): Buffer {
  const lines = Array.from({ length: random.integer(3, 400) }, () => {
    const [amount, cents] = [random.integer(1, 40), random.integer(150, 90_000)];
    return `${random.pick(ITEMS)},${amount},${(cents / 100).toFixed(2)}`;
  });
  return Buffer.from(`item,amount,price\n${lines.join('\n')}\n`);
}

function createNote(random: Random, n: number): Document {
  const name = `${random.pick(SUBJECTS)}-${n}.txt`;
  return { name, type: 'text/plain', render: () => renderNote(random) };
}

function renderNote(random: Random): Buffer {
  const text = Array.from({ length: random.integer(5, 600) }, () => random.pick(SENTENCES));
  return Buffer.from(`${text.join(' ')}\n`);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

function createPicture(random: Random, n: number): Document {
  return { name: `photo-${n}.png`, type: 'image/png', render: () => renderPicture(random) };
}

/** Stripes of colours, as a PNG (ISO/IEC 15948) of eight-bit RGB without a filter. */
function renderPicture(random: Random): Buffer {
  const [width, height] = [random.integer(64, 480), random.integer(64, 320)];
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Array.from({ length: Math.ceil(height / STRIPE_HEIGHT) }, () => {
    const colour = [random.integer(0, 255), random.integer(0, 255), random.integer(0, 255)];
    const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(width * 3, Buffer.from(colour))]);
    return Array.from({ length: STRIPE_HEIGHT }, () => row);
  }).flat();
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk(
      'IDAT',
      deflateSync(Buffer.concat(rows.slice(0, height)), { level: constants.Z_BEST_SPEED }),
    ),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function createLetter(random: Random, n: number): Document {
  return { name: `letter-${n}.pdf`, type: 'application/pdf', render: () => renderLetter(random) };
}

/** One page with one line, as a PDF (ISO 32000) with its table of offsets. */
function renderLetter(random: Random): Buffer {
  const drawing = `BT /F1 12 Tf 72 770 Td (${random.pick(SENTENCES)}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R ' +
      '/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>',
    `<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`,
  ];
  let text = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = text.length;
    text += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.join('')}`;
  const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\n`;
  return Buffer.from(`${text}${table}${trailer}startxref\n${text.length}\n%%EOF\n`);
}
