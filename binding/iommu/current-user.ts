import { userInfo } from 'node:os';

/** The user of this process, for a command line: name, or number if there is no name. `$USER` is the login user; services have none. */
export function currentUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'USER');
  }
}
