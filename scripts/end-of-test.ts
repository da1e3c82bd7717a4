/**
 * Loaded before every test file; exits once the event loop is empty.
 * Without it Node 24 may wait busily for ever after a reset socket, on a request libuv dropped.
 * A handle that a test forgot to close still keeps the loop alive, so it is found.
 */
let drained = 0;
process.on('beforeExit', () => {
  drained += 1;
  // At the first time tap may still have work to schedule.
  if (drained === 1) setImmediate(() => {});
  else process.exit();
});
