import { expect } from 'chai';
import { DmaError } from '../../../streams/index.js';

/** The `DmaError` that `work` throws; fails the test when it throws none, or another. */
export function dmaError(work: () => unknown): DmaError {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(DmaError);
    return error as DmaError;
  }
  throw new Error('nothing was thrown');
}
