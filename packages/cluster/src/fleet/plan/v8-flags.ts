/**
 * What replicas run with; docker/start-service.sh gives the same. `scripts/warm-compile-cache.ts`
 * too: the compile cache belongs to the flags.
 *
 * Young generation: Node's default (16 MiB, three times) costs a replica 20 MB idle and 50 MB after
 * large uploads. It would save 15 % CPU on answers of 40 KB, but memory is tighter.
 *
 * Old generation: V8 lets it grow to four times what lives, so answers of 40 KB stay in it. Growing
 * by half saves 60 MB after load (docs/benchmarks.md).
 */
export const V8_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=50'];
