/** Specs that the emulator does not run, and why. */
export interface LeftOut {
  /** Files of `spec/`, or whole folders of it. Who names one of them on the command line has it run. */
  readonly specs: readonly string[];
  /** Only the tests whose full title contains this; by default all. */
  readonly title?: string;
  readonly reason: string;
}

export const LEFT_OUT: readonly LeftOut[] = [
  { specs: ['kernel', 'lab'], reason: 'they boot a guest for x86-64' },
  { specs: ['page', 'peers', 'qemu'], reason: 'they need programs of x86-64: Chromium, vhost-user back ends, QEMU' },
  {
    specs: ['streams', 'inspect'],
    reason: 'they test TypeScript alone, which is the same on every processor',
  },
  {
    specs: ['bench', 'docs', 'package', 'tooling'],
    reason: 'they test the project, and need its compiler, npm, or quiet processors',
  },
  {
    specs: ['cli', 'examples', 'readme.spec.ts', 'readme-qemu.spec.ts'],
    reason:
      'each test starts programs, and an emulated Node.js takes seconds to start; the replay of the demo stands for them',
  },
  {
    specs: ['binding/attach-lifetime.spec.ts', 'binding/lifetime.spec.ts', 'binding/fail-at-every-step.spec.ts'],
    reason: 'thousands of rounds, which take an hour',
  },
  {
    specs: ['targets/vhost-user/gone.spec.ts'],
    title: 'when an answer does not come in time',
    reason: 'it waits 50 ms for the answers before, which take longer',
  },
  {
    specs: ['binding/sockets/endings.spec.ts'],
    title: 'a message of another program',
    reason:
      'no end comes of a message with more descriptors than there is room for: the kernel cuts it off, and the emulator is between them',
  },
  {
    specs: ['binding/memory/ram-blocks.spec.ts'],
    title: "with hugePages: 'advise'",
    reason: 'the emulator does not pass this advice on to the kernel',
  },
  ...[
    { specs: ['binding/sockets/addresses.spec.ts'], title: 'that this user has no permission for' },
    { specs: ['binding/sockets/back-pressure.spec.ts'], title: 'sends the rest when they are received' },
  ].map((one) => ({
    ...one,
    reason: 'it runs as the user nobody, who cannot reach the emulator in the cache of root',
  })),
];
