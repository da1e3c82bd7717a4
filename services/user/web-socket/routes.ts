import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { openSocket } from './open-socket.ts';

/** The WebSocket of seed 002; each message carries an API token. */
export const webSocket = defineFeature<UserContext>({ anyone: [openSocket] });
