import { abortableSleep } from '../abortable-sleep.ts';
import { planActions, type ActionKind } from '../plan/plan-actions.ts';
import {
  changePassword,
  deleteAccount,
  login,
  loginWithWrongPassword,
  logout,
  readTrail,
  refresh,
  register,
  registerTakenEmail,
  updateProfile,
} from './account-actions.ts';
import { createClient, type ClientOptions } from './create-client.ts';
import { deleteFile, download, upload } from './file-actions.ts';
import type { Turn } from './turn.ts';

const ACTIONS: Partial<Record<ActionKind, (turn: Turn) => Promise<void>>> = {
  login: ({ client, account }) => login(client, account),
  refresh,
  password: changePassword,
  upload,
  download,
  delete_file: deleteFile,
  logout,
  delete_account: deleteAccount,
  login_fail: loginWithWrongPassword,
  register_taken: registerTakenEmail,
  read_trail: readTrail,
};

/** Plays one customer who uses an account through the gateway, and records the answers. */
export async function runClient(options: ClientOptions): Promise<void> {
  const { seed, signal } = options;
  const client = createClient(options);
  for (const action of planActions(seed, options.client)) {
    await abortableSleep(action.pauseMs, signal);
    if (signal.aborted) return;
    const { account } = client;
    if (!account) await register(client);
    else if (account.token === undefined) await login(client, account);
    else {
      const perform = ACTIONS[action.kind] ?? updateProfile;
      await perform({ client, account, token: account.token, action });
    }
  }
}
