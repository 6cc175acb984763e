/**
 * `npm run walk`: lists the files that a command goes through, from the call to the settling of its promise, with the functions that are
 * entered in each. Fails when there are more files than the limit.
 */
import { Argument, Command, CommanderError, InvalidArgumentError } from 'commander';
import { idleKernelTarget, idleTarget } from './support/idle-target.js';
import { COMMANDS, LARGEST_SET, walk, type CommandName } from './walk/commands.js';
import { drawWalk } from './walk/draw.js';

/** Files for an `addMapping` or `removeMappings`, or a set of them, at an idle target. Not for one with all methods of a kernel target. */
const MOST_FILES = 28;

const ABOVE_LIMIT = 1;
const BAD_USAGE = 2;

interface Options {
  readonly set: number;
  readonly kernel?: true;
  readonly atMost?: number;
}

const program = new Command('npm run walk --')
  .description(
    'Lists the files of streams/ with a function that is entered between the call of a command and the settling of its promise, in the ' +
      'order of their first entry. One idle target is attached.',
  )
  .addArgument(new Argument('[command]', 'addMapping or removeMappings').choices(COMMANDS).default('add'))
  .option('--set <count>', 'mappings in one transaction; 1: a call by itself', countUpTo(LARGEST_SET), 1)
  .option('--kernel', 'the idle target has all the methods of a kernel target')
  .option(
    '--at-most <files>',
    `fails when there are more files (default: ${MOST_FILES}; with --kernel: any number)`,
    countUpTo(Infinity),
  )
  .showHelpAfterError('see --help')
  .exitOverride();

try {
  program.parse();
  const { set, kernel = false, atMost = kernel ? Infinity : MOST_FILES } = program.opts<Options>();
  const command = program.processedArgs[0] as CommandName;
  const files = await walk(command, set, kernel ? idleKernelTarget('idle') : idleTarget('idle'));
  console.log(drawWalk(files, atMost));
  process.exitCode = files.length > atMost ? ABOVE_LIMIT : 0;
} catch (error) {
  if (!(error instanceof CommanderError)) {
    throw error;
  }
  process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
}

function countUpTo(most: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (!/^\d+$/.test(text) || count < 1 || count > most) {
      throw new InvalidArgumentError(most === Infinity ? 'expected a number from 1 on' : `expected 1 to ${most}`);
    }
    return count;
  };
}
