import { spawnSync } from 'node:child_process';
import puppeteer, { type Browser } from 'puppeteer-core';

/** Names the program where it has none of the usual names. */
const VARIABLE = 'CHROMIUM';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/**
 * Starts Chromium without a window. It shows the same on each machine.
 *
 * @throws Error that says what to install when there is none
 */
export async function startChromium(): Promise<Browser> {
  return puppeteer.launch({
    executablePath: chromiumPath(),
    args: [
      // Root cannot have its sandbox. It opens nothing but the pages of this project.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ...['--force-color-profile=srgb', '--font-render-hinting=none', '--lang=en'],
    ],
  });
}

function chromiumPath(): string {
  const named = process.env[VARIABLE];
  const candidates = named === undefined || named === '' ? PROGRAMS : [named];
  for (const program of candidates) {
    const { status, stdout } = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], { encoding: 'utf8' });
    if (status === 0) {
      return stdout.trim();
    }
  }
  throw new Error(
    `there is no ${candidates.join(', ')}: run \`apt-get install chromium\`, or set ${VARIABLE} to the path of Chromium or Chrome`,
  );
}
