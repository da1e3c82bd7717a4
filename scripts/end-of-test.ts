/**
 * Loaded ahead of every test file. A process whose sockets were reset in the middle of a write (the fault proxy's daily work) may never
 * come to its end: Node 24, closing what is left when the event loop has run dry, waits busily for a request that libuv has dropped.
 * `process.exit` does not go that way, and what a test forgot to close still keeps the loop from running dry, so it is still found.
 */
let drained = 0;
process.on('beforeExit', () => {
  drained += 1;
  // The first time others may have something to do yet: tap, for one.
  if (drained === 1) setImmediate(() => {});
  else process.exit();
});
