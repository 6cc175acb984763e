import { readFileSync } from 'node:fs';
import { projectRoot } from '../../lab/paths.js';
import { fromTranscript, type Recording } from './recording.js';

export interface Machine {
  readonly name: string;
  /** Whether its firmware changes the memory map. */
  readonly firmwareChangesMap: boolean;
  /** @param flash path of an image of the firmware */
  readonly qemuArguments: (flash: string) => readonly string[];
}

const FLASH = (path: string): string[] => [
  '-drive',
  `if=pflash,format=raw,readonly=on,file=${path.replaceAll(',', ',,')}`,
];
const DIMM = ['-object', 'memory-backend-ram,id=m0,size=128M', '-device', 'pc-dimm,id=d0,memdev=m0'];
/** A device behind a bridge whose BARs are RAM and registers. */
const shared = (bus: string): string[] => [
  ...['-object', 'memory-backend-ram,id=shm,size=16M,share=on', '-device', `ivshmem-plain,memdev=shm,bus=${bus}`],
];

/** Each machine with what its type can have of: a display, a PCI bridge with a device behind it, a DIMM, a flash. */
export const MACHINES: readonly Machine[] = [
  {
    name: 'q35',
    firmwareChangesMap: true,
    qemuArguments: (flash) => [
      ...['-M', 'q35', '-m', '1G,slots=2,maxmem=4G', '-device', 'VGA', '-device', 'pcie-root-port,id=bridge'],
      ...shared('bridge'),
      ...DIMM,
      ...FLASH(flash),
    ],
  },
  {
    // RAM below and above 4 GiB. The frame buffer of this display lies over registers.
    name: 'pc',
    firmwareChangesMap: true,
    qemuArguments: (flash) => [
      ...['-M', 'pc', '-m', '5G,slots=2,maxmem=8G', '-device', 'cirrus-vga'],
      ...['-device', 'pci-bridge,id=bridge,chassis_nr=1', ...shared('bridge,addr=1')],
      ...DIMM,
      ...FLASH(flash),
    ],
  },
  {
    // It has neither slots for DIMMs nor a flash, and its firmware leaves the BARs to the operating system.
    name: 'microvm',
    firmwareChangesMap: false,
    qemuArguments: () => [
      ...['-M', 'microvm,pcie=on', '-m', '512M', '-bios', 'bios.bin', '-device', 'bochs-display'],
      ...['-device', 'pcie-root-port,id=bridge', ...shared('bridge')],
    ],
  },
];

export const MOMENTS = ['before', 'after'] as const;

/** The transcript of the monitor of a machine, before or after its firmware ran. `record-all.ts` wrote it. */
export function transcriptPath(machine: string, moment: (typeof MOMENTS)[number]): string {
  return `${projectRoot}spec/qemu/recorded/${machine}-${moment}.txt`;
}

export function recorded(machine: string, moment: (typeof MOMENTS)[number]): Recording {
  return fromTranscript(readFileSync(transcriptPath(machine, moment), 'utf8'));
}
