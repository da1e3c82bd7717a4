import { test } from 'tap';
import { renderPeers } from '../../peers/measure/peers-table.ts';
import { createRow } from './rows.ts';

/** The cells of each line but the rule, without padding. */
const readTable = (table: string): string[][] =>
  table
    .split('\n')
    .filter((_, index) => index !== 1)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

/** The value below a head, of the line that begins with these cells. */
function cellOf(table: string, first: string[], head: string): string | undefined {
  const [heads = [], ...lines] = readTable(table);
  return lines.find((line) => first.every((cell, n) => line[n] === cell))?.[heads.indexOf(head)];
}

const muniment = createRow({ operation: 'profile', target: 'muniment', perSecond: 50 });
const bare = createRow({ operation: 'profile', target: 'bare-fastify', perSecond: 100 });

test('a line shows the median of its rounds', (t) => {
  const rounds = [10, 90, 20].map((perSecond, n) => ({ ...bare, perSecond, round: n + 1 }));
  t.equal(cellOf(renderPeers(rounds), ['profile', 'bare-fastify'], 'req/s'), '20.0');
  t.end();
});

test('a line shows the errors of all rounds', (t) => {
  const table = renderPeers([bare, { ...bare, errors: 2 }, { ...bare, errors: 1 }]);
  t.equal(cellOf(table, ['profile', 'bare-fastify'], 'errors'), '3');
  t.end();
});

test('goals stand beside our row alone', (t) => {
  const table = renderPeers([muniment, bare]);
  t.equal(cellOf(table, ['profile', 'muniment'], 'goal'), '≥ 0.35 × bare-fastify: 0.50 met');
  t.equal(cellOf(table, ['profile', 'bare-fastify'], 'goal'), '');
  t.end();
});

test('the seconds until the trail caught up stand beside our row alone', (t) => {
  const table = renderPeers([muniment, bare]);
  t.equal(cellOf(table, ['profile', 'muniment'], 'caught up s'), '0.50');
  t.equal(cellOf(table, ['profile', 'bare-fastify'], 'caught up s'), '-');
  t.end();
});

test('our memory before and after load ends the table', (t) => {
  const table = renderPeers([muniment], { before: 148.4, after: 230 });
  const lines = readTable(table).slice(-2);
  t.strictSame(
    lines.map(([operation]) => operation),
    ['largest replica before load', 'largest replica after load'],
  );
  t.equal(cellOf(table, ['largest replica before load'], 'svc RSS MiB'), '148');
  t.equal(cellOf(table, ['largest replica after load'], 'goal'), '≤ 210 MiB: missed');
  t.end();
});

test('an operation lists its targets in one order, its limit last', (t) => {
  const names = ['argon2 alone', 'muniment', 'directus', 'bare-fastify'];
  const table = renderPeers(
    names.map((target) => createRow({ operation: 'login', target, perSecond: 1 })),
  );
  t.strictSame(
    readTable(table).map(([, target]) => target),
    ['target', 'directus', 'bare-fastify', 'muniment', 'argon2 alone'],
  );
  t.end();
});

test('a figure that was not measured is a dash', (t) => {
  const { cpuMs: _, ...rest } = bare;
  const table = renderPeers([{ ...rest, cpuMs: {}, p50Ms: NaN }]);
  t.equal(cellOf(table, ['profile', 'bare-fastify'], 'svc CPU ms'), '-');
  t.equal(cellOf(table, ['profile', 'bare-fastify'], 'p50 ms'), '-');
  t.end();
});
