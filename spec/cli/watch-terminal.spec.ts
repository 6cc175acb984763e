import { expect } from 'chai';
import { FakeQmp, flatViewText, sectionLine } from '../sources/support/fake-qmp.js';
import { line, MAIN, TemporaryTraces } from './support/command.js';
import { PseudoTerminal, whyNoTerminal } from './support/pseudo-terminal.js';

const RAM = sectionLine(0, 0x9ffff, 'pc.ram');
const BAR = sectionLine(0xfd000000, 0xfdffffff, '\u001b]0;evil\u0007', 'ramd');

const ESC = '\u001b';
const ENTERED = `${ESC}[?1049h`;
const LEFT = `${ESC}[?25h${ESC}[?1049l`;

const WATCH = `${process.execPath} ${MAIN} watch`;
/** Shows whether the terminal is as a shell needs it, and how the command has ended. */
const THEN = `; echo "ended with $?"; stty -a | tr ';' '\\n'`;

const reason = whyNoTerminal();

describe(`dma-streams watch, on a terminal${reason === undefined ? '' : ` (NOT RUN: ${reason})`}`, function () {
  this.timeout(60_000);

  before(function () {
    if (reason !== undefined) {
      this.skip();
    }
  });

  const traces = new TemporaryTraces();
  after(() => {
    traces[Symbol.dispose]();
  });

  function expectRestored(output: string, status: number): void {
    expect(output.indexOf(LEFT)).to.be.greaterThan(output.indexOf(ENTERED));
    const after = output.slice(output.lastIndexOf(LEFT));
    expect(after)
      .to.contain(`ended with ${status}\r\n`)
      .and.match(/ icanon/)
      .and.match(/ echo /);
    expect(after).not.to.contain(ENTERED);
  }

  it('draws what a running QEMU has, in place, until q; the terminal is then as before', async () => {
    await using qmp = await FakeQmp.listen(flatViewText([RAM]));
    await using terminal = new PseudoTerminal(`${WATCH} --qmp ${qmp.path} --interval 5 --target soft${THEN}`, {
      columns: 60,
    });
    await terminal.untilScreen(/1 soft: 1 held[^]*pc\.ram +●/);
    qmp.text = flatViewText([RAM, BAR]);
    await terminal.untilScreen(/generation 2 .*2 mappings[^]*\n[+ ] 0xfd000000.* ramd +\?]0;evil\? +●/);
    terminal.type('/pc\r');
    await terminal.untilScreen(/filter "pc"/);
    expect(terminal.screen.join('\n')).to.contain('pc.ram').and.not.contain('evil');
    terminal.type('p');
    await terminal.untilScreen(/PAUSED/);
    await qmp.quit();
    await terminal.untilScreen(/ended, PAUSED/);
    terminal.type('q');
    expectRestored(await terminal.ended(), 0);
    expect(terminal.output).to.match(/generation 2, 2 mappings; the source has ended\r\n/);
  });

  it('ends by Ctrl-C with 130, and by an error of the program, with the terminal as before', async () => {
    {
      await using terminal = new PseudoTerminal(`trap : INT; ${WATCH} --demo${THEN}`);
      await terminal.until('pc.bios');
      terminal.type('\u0003');
      expectRestored(await terminal.ended(), 130);
    }
    const bomb = traces.write(
      'bomb.mjs',
      `process.stdin.on('data', (keys) => { if (keys.includes('!')) throw new Error('boom'); });`,
    );
    await using terminal = new PseudoTerminal(`${process.execPath} --import ${bomb} ${MAIN} watch --demo${THEN}`);
    await terminal.until('pc.bios');
    terminal.type('!');
    const output = await terminal.ended();
    expectRestored(output, 1);
    expect(output.indexOf('boom')).to.be.greaterThan(output.indexOf(LEFT));
  });

  it('reads keys from the terminal when the trace comes from standard input, and q ends who writes it', async () => {
    const trace = traces.write('trace.jsonl', [line(), line({ commit: 1, start: '0x100000', end: '0x200000' })]);
    const writer = `(trap 'exit 7' INT; cat ${trace}; while :; do sleep 0.05; done; )`;
    await using terminal = new PseudoTerminal(`trap : INT; ${writer} | ${WATCH} -${THEN}`);
    await terminal.untilScreen(/standard input[^]*generation 2 /);
    terminal.type('?');
    await terminal.untilScreen(/Keys\n/);
    terminal.type('q');
    expectRestored(await terminal.ended(), 0);
  });

  it('leaves the terminal as before when SIGHUP or SIGQUIT ends it', async () => {
    for (const [signal, status] of [
      ['HUP', 129],
      ['QUIT', 131],
    ] as const) {
      const command = `ulimit -c 0; sh -c 'echo "process $$"; exec ${WATCH} --demo'${THEN}`;
      await using terminal = new PseudoTerminal(command);
      await terminal.until('pc.bios');
      process.kill(Number(/process (\d+)/.exec(terminal.output)?.[1]), `SIG${signal}`);
      expectRestored(await terminal.ended(), status);
    }
  });

  it('is stopped by Ctrl-Z, and goes on by fg, also on a terminal of another size', async () => {
    await using terminal = new PseudoTerminal('exec bash --norc --noprofile -i', { env: { PS1: '$ ' } });
    await terminal.until('$ ');
    terminal.type(`${WATCH} --demo\n`);
    await terminal.until('pc.bios');
    terminal.type('\u001a');
    await terminal.until(LEFT);
    await terminal.until('Stopped');
    terminal.type('stty -a; stty cols 44\n');
    await terminal.until(' icanon');
    terminal.type('fg\n');
    await terminal.until(ENTERED);
    await terminal.untilScreen(/^ {2}start .*[^]*pc\.bios/m);
    expect(Math.max(...terminal.screen.map((text) => text.length))).to.be.at.most(44);
    terminal.type('q');
    await terminal.until(LEFT);
    terminal.type('exit\n');
    await terminal.ended();
  });

  it('writes lines where TERM is dumb, and no colours with NO_COLOR', async () => {
    await using dumb = new PseudoTerminal(`${WATCH} --demo --speed max`, { env: { TERM: 'dumb' } });
    expect(await dumb.ended())
      .to.match(/^1 \+ 0x0-.*\r\n[^]*source: ended\r\n$/)
      .and.not.contain(ESC);
    await using plain = new PseudoTerminal(`${WATCH} --demo --speed max`, { rows: 24, env: { NO_COLOR: '1' } });
    await plain.untilScreen(/hot1/);
    plain.type('q');
    expect(await plain.ended())
      .to.contain(ENTERED)
      .and.not.match(/\u001b\[[1-9]\d*m/);
  });
});
