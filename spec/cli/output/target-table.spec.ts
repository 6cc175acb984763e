import { expect } from 'chai';
import { drawTargetTable } from '../../../cli/output/target-table.js';
import { terminalOf } from '../../../cli/output/terminal.js';
import type { TargetReport } from '../../../cli/replay/report.js';
import { MemoryRange } from '../../../streams/index.js';

describe('the table of the targets', () => {
  const held = (stuck: boolean): TargetReport['held'][number] => ({
    range: MemoryRange.of(0n, 0x100000n),
    region: 'ram0',
    writable: true,
    stuck,
  });
  const targets: readonly TargetReport[] = [
    { name: 'log', description: '', maps: 1234, unmaps: 1, failed: 0, held: [held(false)] },
    {
      name: 'soft:iommufd,aperture=0x0-0x8000000000',
      description: '',
      maps: 1,
      unmaps: 0,
      failed: 2,
      held: [held(false), held(true)],
    },
  ];

  it('has a row for each', () => {
    expect(drawTargetTable(targets, terminalOf({ columns: 80 }, {}))).to.deep.equal([
      '  ┌────────────────────┬───────┬────────┬────────┬─────────────┬──────────┐',
      '  │ target             │  maps │ unmaps │ failed │    mappings │    holds │',
      '  ├────────────────────┼───────┼────────┼────────┼─────────────┼──────────┤',
      '  │ log                │ 1,234 │      1 │      0 │           1 │    1 MiB │',
      '  │ soft:iommufd,aper… │     1 │      0 │      2 │ 2 (1 stuck) │    2 MiB │',
      '  └────────────────────┴───────┴────────┴────────┴─────────────┴──────────┘',
    ]);
  });

  it('has lines for each where a terminal is too narrow for rows, with its name whole', () => {
    expect(drawTargetTable(targets, terminalOf({ columns: 40 }, {}))).to.deep.equal([
      '  log',
      '    1,234 maps, 1 unmap, 0 failed',
      '    holds 1 mapping, 1 MiB',
      '  soft:iommufd,aperture=0x0-0x8000000000',
      '    1 map, 0 unmaps, 2 failed',
      '    holds 2 mappings (1 stuck), 2 MiB',
    ]);
  });
});
