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
  ...[
    { specs: ['binding/memory/hostile-neighbour.spec.ts'], title: 'is an error to read and to write' },
    { specs: ['binding/memory/hostile-neighbour.spec.ts'], title: 'fails a writable mapping of it' },
    { specs: ['targets/soft-iommu-target/host-addresses.spec.ts'], title: 'to a file that was cut is an error' },
  ].map((one) => ({
    ...one,
    reason: 'the emulator has no process_vm_readv, by which the addon copies where a page may be missing',
  })),
  {
    specs: ['targets/vhost-user/gone.spec.ts'],
    title: 'when an answer does not come in time',
    reason: 'it waits 50 ms for the answers before, which take longer',
  },
];
