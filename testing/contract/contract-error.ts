import { DmaError, type MemoryRange } from '../../streams/index.js';

/** A breach of the contract by a target: what was expected, what the target did, at which step. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
}

/** The step of a check at which a breach was found, with the steps before it. */
export class Steps {
  readonly #texts: string[] = [];

  /** Records a step, which begins now. */
  begin(text: string): void {
    this.#texts.push(text);
  }

  /** The last step. */
  get last(): string {
    return this.#texts.at(-1) ?? 'nothing';
  }

  /** The error of a breach. The first line says what is wrong, the others which steps led to it. */
  breach(summary: string, cause?: unknown): ContractError {
    const steps = this.#texts.map((text, index) => `\n  step ${index + 1}: ${text}`).join('');
    return new ContractError(`${summary}${steps}`, cause === undefined ? {} : { cause });
  }
}

/** `'0x0-0x1000, 0x2000-0x3000'`, or `'nothing'`. */
export function listText(ranges: readonly MemoryRange[]): string {
  return ranges.length === 0 ? 'nothing' : ranges.join(', ');
}

/** `'ENOSPC: …'` for an error, `'the value 5'` for other values. */
export function thrownText(thrown: unknown): string {
  if (thrown instanceof DmaError) {
    return thrown.message;
  }
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `the value ${String(thrown)}`;
}

/** Adds the rule of the contract to the error of a breach. Errors of another kind get the same form. */
export function withRule(error: unknown, rule: string, steps: Steps): ContractError {
  const { message, cause } =
    error instanceof ContractError ? error : steps.breach(`the check could not go on: ${thrownText(error)}`, error);
  return new ContractError(`${message}\n  rule: ${rule}`, cause === undefined ? {} : { cause });
}
