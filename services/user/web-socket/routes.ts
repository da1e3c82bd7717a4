import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { openSocket } from './open-socket.ts';

/** The WebSocket of seed 002: channels whose messages each carry an API token. */
export const webSocket = defineFeature<UserContext>({ anyone: [openSocket] });
