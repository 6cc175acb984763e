/** `node dist/spec/qemu/record-all.js`: writes the transcripts in `recorded/` anew, with the QEMU that is installed. */
import { writeFileSync } from 'node:fs';
import { MACHINES, transcriptPath } from './machines.js';
import { toTranscript } from './recording.js';
import { RunningQemu } from './running-qemu.js';

for (const machine of MACHINES) {
  await using qemu = await RunningQemu.start(machine);
  const before = await qemu.record();
  const after = (await qemu.runFirmware()).at(-1) ?? before;
  writeFileSync(transcriptPath(machine.name, 'before'), toTranscript(before));
  writeFileSync(transcriptPath(machine.name, 'after'), toTranscript(after));
}
