// Says in one line what is missing to build the addon, where node-gyp would say it in a hundred. `npm run build:native` runs it first.
import { spawnSync } from 'node:child_process';

const compiler = process.env.CXX ?? 'g++';
const python = process.env.npm_config_python ?? process.env.PYTHON ?? 'python3';

/** Whether a command ends with 0. A variable such as CXX may have options after the name of the program: the shell takes them apart. */
const works = (command, input = '') =>
  spawnSync('sh', ['-c', command], { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;

const needs = [
  {
    // Includes a header of C++20: the compiler, its standard library and its headers are three packages, of which one can be missing.
    isThere: works(`${compiler} -std=gnu++20 -fsyntax-only -x c++ -`, '#include <span>\n#include <unistd.h>\n'),
    what: `a compiler for C++20 (${compiler})`,
    debian: 'g++',
  },
  { isThere: works('make --version'), what: 'make', debian: 'make' },
  { isThere: works(`${python} --version`), what: `Python 3 (${python})`, debian: 'python3' },
];
const missing = needs.filter(({ isThere }) => !isThere);
if (missing.length > 0) {
  const what = missing.map((need) => need.what).join(', ');
  const packages = missing.map(({ debian }) => debian).join(' ');
  console.error(`The addon of dma-streams cannot be built without ${what}. Debian, Ubuntu: apt install ${packages}`);
  process.exitCode = 1;
}
