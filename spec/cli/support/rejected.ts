/** The error that a promise rejects with. Fails if it does not. */
export async function rejected(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) {
      return error;
    }
    throw new TypeError('it rejected with something that is no Error', { cause: error });
  }
  throw new Error('it did not fail');
}
