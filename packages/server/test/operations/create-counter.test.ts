import { Registry } from 'prom-client';
import { test } from 'tap';
import { findEmptyCounters } from '@muniment/testing';
import { createCounter } from '../../src/operations/create-counter.ts';

const options = { name: 'things_total', help: 'Things.' };

test('each combination of the labels begins at 0', async (t) => {
  const registry = new Registry();
  const labels = { kind: ['a', 'b'], outcome: ['good', 'bad'] };
  const counter = createCounter({ ...options, labels, registers: [registry] });
  counter.inc({ kind: 'b', outcome: 'bad' });
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('things'));
  t.strictSame(lines, [
    'things_total{kind="a",outcome="good"} 0',
    'things_total{kind="a",outcome="bad"} 0',
    'things_total{kind="b",outcome="good"} 0',
    'things_total{kind="b",outcome="bad"} 1',
  ]);
});

test('a counter without a series is found', async (t) => {
  const registry = new Registry();
  createCounter({ ...options, labels: { kind: [] }, registers: [registry] });
  t.strictSame(findEmptyCounters(await registry.metrics()), ['things_total']);
  createCounter({ name: 'others_total', help: 'Others.', labels: {}, registers: [registry] });
  t.strictSame(findEmptyCounters(await registry.metrics()), ['things_total']);
});
