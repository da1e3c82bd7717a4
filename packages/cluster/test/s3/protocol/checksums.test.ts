import { randomBytes } from 'node:crypto';
import { test } from 'tap';
import {
  CHECKSUM_ALGORITHMS,
  CHECKSUM_BYTES,
  createChecksum,
} from '../../../src/s3/protocol/checksums.ts';

// Check values of "123456789": from the CRC catalogue, sha1sum and sha256sum.
const known = {
  crc32: 'cbf43926',
  crc32c: 'e3069283',
  crc64nvme: 'ae8b14860a799888',
  sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
};

for (const algorithm of CHECKSUM_ALGORITHMS) {
  test(`${algorithm} has the published check value, however the bytes are cut`, async (t) => {
    const whole = createChecksum(algorithm);
    whole.update(Buffer.from('123456789'));
    const digest = whole.digest();
    t.equal(digest.toString('hex'), known[algorithm]);
    t.equal(digest.length, CHECKSUM_BYTES[algorithm]);

    const bytes = randomBytes(1000);
    const [once, cut] = [createChecksum(algorithm), createChecksum(algorithm)];
    once.update(bytes);
    for (let i = 0; i < 1000; i += 77) cut.update(bytes.subarray(i, i + 77));
    t.ok(once.digest().equals(cut.digest()));
  });
}
