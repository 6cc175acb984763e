import { userInfo } from 'node:os';

/** Who runs this, for a command line: the name, or the number of a user without one. `$USER` is of whoever logged in, and services have none. */
export function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'USER');
  }
}
