import type { Mutant } from './mutant.ts';

const CONNECTIONS = 'packages/server/src/http/connections.ts';
const START = 'packages/server/src/lifecycle/start-service.ts';
const JOBS = 'packages/server/src/lifecycle/jobs.ts';
const REGISTRY = 'services/audit/live/stream-registry.ts';
const SOCKETS = 'services/user/web-socket/sockets.ts';
const RESTART = 'packages/cluster/src/fleet/commands/restart-replicas.ts';
const CONNECTIONS_TEST = 'packages/server/test/http/connections.test.ts';
const STOP_TEST = 'packages/server/test/lifecycle/stop.test.ts';
const START_TEST = 'packages/server/test/lifecycle/start-service.test.ts';
const JOBS_TEST = 'packages/server/test/lifecycle/jobs.test.ts';
const LOOPS_TEST = 'packages/server/test/lifecycle/background-loops.test.ts';
const REGISTRY_TEST = 'services/audit/test/live/stream-registry.test.ts';
const SOCKETS_TEST = 'services/user/test/web-socket/open-socket.test.ts';
const RESTART_TEST = 'packages/cluster/test/fleet/commands/restart-replicas.test.ts';

/** A stop of a replica: what it cuts, and what holds it. */
export const STOP_MUTANTS: Mutant[] = [
  {
    name: 'listening-goes-on',
    file: CONNECTIONS,
    find: '    await endListening(server);\n',
    replace: '',
    tests: [STOP_TEST],
  },
  {
    name: 'unaccepted-connections-reset',
    file: CONNECTIONS,
    find: 'if (accepted === before && isQuick) break;',
    replace: 'if (before === 0 || isQuick) break;',
    tests: [STOP_TEST],
  },
  {
    name: 'last-answer-keeps-its-connection',
    file: CONNECTIONS,
    find: '} else if (draining) reply.raw.shouldKeepAlive = false;',
    replace: '}',
    tests: [STOP_TEST],
  },
  {
    name: 'idle-connection-stays',
    file: CONNECTIONS,
    find: '    else socket.destroy();\n  }\n}',
    replace: '  }\n}',
    tests: [STOP_TEST],
  },
  {
    name: 'silent-connection-holds-a-stop',
    file: CONNECTIONS,
    find: 'if (connection.answers.size > 0 ||',
    replace: 'if (connection.newest === undefined || connection.answers.size > 0 ||',
    tests: [STOP_TEST],
  },
  {
    name: 'idle-connections-cut-at-once',
    file: CONNECTIONS,
    find: '  server.closeIdleConnections = () => {};\n',
    replace: '',
    tests: [STOP_TEST],
  },
  {
    name: 'no-time-for-what-is-on-its-way',
    file: CONNECTIONS,
    find: 'const IDLE_MS = 750;',
    replace: 'const IDLE_MS = 0;',
    tests: [CONNECTIONS_TEST],
  },
  {
    name: 'half-a-request-cut',
    file: CONNECTIONS,
    find: 'if (socket.bytesRead > connection.answeredBytes && socket.writable)',
    replace: 'if (socket.bytesRead > connection.answeredBytes && !socket.writable)',
    tests: [STOP_TEST],
  },
  {
    name: 'pipelined-request-dropped',
    file: CONNECTIONS,
    find: '(connection.newest !== reply.raw || !isWhole(request.raw))',
    replace: '!isWhole(request.raw)',
    tests: [STOP_TEST],
  },
  {
    name: 'early-answer-reset',
    file: CONNECTIONS,
    find: '(connection.newest !== reply.raw || !isWhole(request.raw))',
    replace: 'connection.newest !== reply.raw',
    tests: [STOP_TEST],
  },
  {
    name: 'upgraded-connection-holds-a-stop',
    file: CONNECTIONS,
    find: '    for (const socket of upgraded) socket.destroy();\n',
    replace: '    void upgraded;\n',
    tests: [CONNECTIONS_TEST],
  },
  {
    name: 'signal-while-loading-lost',
    file: START,
    find: 'let stop: Stop = () => process.exit(0);',
    replace: 'let stop: Stop = () => {};',
    tests: [START_TEST],
  },
  {
    name: 'modules-loaded-before-signals-are-handled',
    file: 'services/user/server.ts',
    find: "import { startService } from '@muniment/server/start-service';\n",
    replace: `import { startService } from '@muniment/server/start-service';
import './app.ts';
`,
    tests: ['packages/server/test/lifecycle/early-signals.test.ts'],
  },
  {
    name: 'ready-to-the-end',
    file: START,
    find: '    health.drain();\n',
    replace: '',
    tests: [START_TEST],
  },
  {
    name: 'second-signal-stops-again',
    file: START,
    find: '    stopping = true;\n',
    replace: '',
    tests: [STOP_TEST],
  },
  {
    name: 'hanging-loop-holds-a-stop',
    file: JOBS,
    find: `await withTimeout(Promise.all(stopped), stopTimeoutMs, () =>
      log.warn({ loops: [...running] }, 'the stop does not wait for loops any longer'),
    );`,
    replace: 'void [withTimeout, stopTimeoutMs, log, await Promise.all(stopped)];',
    tests: [JOBS_TEST],
  },
  {
    name: 'stores-close-under-loops',
    file: JOBS,
    find: '      await stopLoops();\n',
    replace: '      void stopLoops();\n',
    tests: [JOBS_TEST],
  },
  {
    name: 'round-not-awaited',
    file: 'packages/server/src/lifecycle/background-loops.ts',
    find: '      await running;\n',
    replace: '      void running;\n',
    tests: [LOOPS_TEST],
  },
  {
    name: 'loop-goes-on',
    file: 'packages/server/src/lifecycle/background-loops.ts',
    find: 'while (!signal.aborted) {\n      let isDone',
    replace: 'for (let n = 0; n < 3 || !signal.aborted; n += 1) {\n      let isDone',
    tests: [LOOPS_TEST],
  },
  {
    name: 'late-stream-stays',
    file: REGISTRY,
    find: "if (isStopping) stream.close('stopping');\n      else startChecking();",
    replace: 'startChecking();',
    tests: [REGISTRY_TEST],
  },
  {
    name: 'open-streams-hold-a-stop',
    file: REGISTRY,
    find: "      for (const stream of streams) stream.close('stopping');\n",
    replace: '',
    tests: [REGISTRY_TEST],
  },
  {
    name: 'late-socket-stays',
    file: SOCKETS,
    find: "      if (stopping) return socket.close(CLOSE_CODES.serviceRestart, 'the replica stops');\n",
    replace: '',
    tests: [SOCKETS_TEST],
  },
  {
    name: 'received-messages-dropped',
    file: SOCKETS,
    find: '      await withTimeout(queue.settled(), STOP_TIMEOUT_MS / 2, () => undefined);\n',
    replace: '',
    tests: [SOCKETS_TEST],
  },
  {
    name: 'ended-token-keeps-its-socket',
    file: SOCKETS,
    find: '    if (!tokens.hasAny()) closeTokenEnded(socket, end);\n',
    replace: '',
    tests: [SOCKETS_TEST],
  },
  {
    name: 'ended-token-closes-beside-a-valid-one',
    file: 'services/user/web-socket/watched-tokens.ts',
    find: 'if (!known) return undefined;\n    if (!current) {',
    replace: 'if (!known) return undefined;\n    if (!current) {\n      tokens.clear();',
    tests: ['services/user/test/web-socket/socket-room.test.ts'],
  },
  {
    name: 'only-replica-restarted',
    file: RESTART,
    find: 'if (listSiblings(data, { service, name }).length === 0)',
    replace: 'if (listSiblings(data, { service, name }).length < 0)',
    tests: [RESTART_TEST],
  },
  {
    name: 'restart-over-before-it-takes-work',
    file: RESTART,
    find: 'return pid !== undefined && pid !== before && isReady(ready, pid);',
    replace: 'return pid !== undefined && pid !== before;',
    tests: [RESTART_TEST],
  },
  {
    name: 'restarted-while-no-other-takes-work',
    file: RESTART,
    find: 'return ready.includes(true);',
    replace: 'return ready.length > 0;',
    tests: [RESTART_TEST],
  },
  {
    name: 'failed-round-rests',
    file: 'packages/server/src/lifecycle/background-loops.ts',
    find: 'if (isDone && rest?.isResting()',
    replace: 'if (rest?.isResting()',
    tests: [LOOPS_TEST],
  },
];
