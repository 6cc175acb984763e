/** Specs that are not run by the emulator, and why. */
export interface LeftOut {
  /** Files of `spec/`, or whole folders of it. */
  readonly specs: readonly string[];
  /** Only the tests whose full title contains this; by default all. */
  readonly title?: string;
  readonly reason: string;
}

export const LEFT_OUT: readonly LeftOut[] = [
  { specs: ['kernel', 'lab'], reason: 'they boot a guest for x86-64' },
  { specs: ['page'], reason: 'they run in Chromium' },
  { specs: ['peers', 'qemu'], reason: 'they run programs of x86-64' },
  {
    specs: ['tooling', 'package', 'docs', 'bench'],
    reason: 'they are about the project: no code of the addon depends on the processor there',
  },
];
