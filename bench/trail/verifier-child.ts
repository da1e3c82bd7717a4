import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseVerifierKey, verifyExport } from '../../packages/audit-verify/src/index.ts';

// `verifier-child.ts EXPORT KEY`: verifies, and prints the time and the peak memory.
const [file, key] = process.argv.slice(2) as [string, string];
const keys = [parseVerifierKey((await readFile(key, 'utf8')).trim())];
const started = performance.now();
const report = await verifyExport(createReadStream(file, { highWaterMark: 1 << 18 }), { keys });
const seconds = (performance.now() - started) / 1000;
// Not ru_maxrss: a child starts with its parent's peak.
const [, peakKb] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
console.log(JSON.stringify({ report, seconds, peak_mb: Number(peakKb) / 1024 }));
