#!/usr/bin/env node
import { CommanderError } from 'commander';
import { complaint } from './complain.js';
import { codeOf, hintOf, messageOf, TraceError, UsageError, withHint } from './errors.js';
import { createProgram } from './program.js';

const FAILED = 1;
const BAD_USAGE = 2;

// The reader has closed the pipe (`| head`): this is not an error.
process.stdout.on('error', (error) => {
  if (codeOf(error) !== 'EPIPE') {
    complain(`cannot write to standard output: ${messageOf(error)}`);
    process.exitCode = FAILED;
  }
  process.exit();
});

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = exitStatusOf(error);
}

function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has already written its message. Help and version output are not errors.
    return error.exitCode === 0 ? 0 : BAD_USAGE;
  }
  complain(withHint(messageOf(error), hintOf(error)));
  return error instanceof UsageError || error instanceof TraceError ? BAD_USAGE : FAILED;
}

function complain(message: string): void {
  process.stderr.write(complaint(message, process.stderr));
}
