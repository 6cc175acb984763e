import { userInfo } from 'node:os';

/** Who runs this, for a command line: the name, or the number of a user without one. */
export function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'USER');
  }
}
