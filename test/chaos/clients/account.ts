export interface StoredFile {
  id: string;
  name: string;
  size: number;
}

export interface Account {
  id: string;
  email: string;
  /** The possible passwords, likeliest first. A change without an answer leaves two. */
  passwords: string[];
  token: string | undefined;
  refreshToken: string | undefined;
  files: StoredFile[];
}

interface SignedInBody {
  user: { id: string };
  token: string;
  refresh_token: string;
}

/** Reads the answer to a registration. */
export function parseAccount(text: string, email: string, password: string): Account {
  const { user, token, refresh_token: refreshToken } = JSON.parse(text) as SignedInBody;
  return { id: user.id, email, passwords: [password], token, refreshToken, files: [] };
}

/** Saves the tokens of an answer that signs in. */
export function saveTokens(account: Account, text: string): void {
  const { token, refresh_token: refreshToken } = JSON.parse(text) as SignedInBody;
  Object.assign(account, { token, refreshToken });
}

/** The content of a file follows from its name and size. */
export const contentOf = ({ name, size }: Pick<StoredFile, 'name' | 'size'>): string =>
  name.repeat(Math.ceil(size / name.length)).slice(0, size);
