import { expect } from 'chai';

/** Moves a view's buffer to another, as a stream that is read into a caller's buffer does. */
export async function transferred(view: Uint8Array): Promise<Uint8Array> {
  const length = view.byteLength;
  const stream = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      controller.byobRequest?.respond(length);
    },
  });
  const { value } = await stream.getReader({ mode: 'byob' }).read(view);
  expect(view.byteLength, 'the buffer did move').to.equal(0);
  expect(value?.byteLength).to.equal(length);
  return value as Uint8Array;
}
