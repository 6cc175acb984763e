import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { PACKAGE } from '../cli/support/command.js';
import { eventsOf } from '../cli/support/serving.js';

describe('the example inspect', function () {
  this.timeout(60_000);

  it('serves a page on which memory modules come, until one is refused with a hint, and ends by Ctrl-C', async () => {
    // A quarter of a minute of it, in no time.
    const hurry =
      'data:text/javascript,import timers from "node:timers/promises";' +
      'import{syncBuiltinESMExports}from "node:module";const{setTimeout:wait}=timers;' +
      'timers.setTimeout=(ms,...rest)=>wait(Math.min(ms,20),...rest);syncBuiltinESMExports()';
    const child = spawn(process.execPath, ['--import', hurry, join(PACKAGE, 'dist/examples/inspect.js')]);
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const closed = once(child, 'close');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const [, url = ''] = /^Open (http:\/\/127\.0\.0\.1:\d+\/) in a browser\. Ctrl-C ends it\.$/.exec(line) ?? [];
    expect(await (await fetch(url)).text()).to.match(/^<!doctype html>/i);

    const events = await eventsOf(url, /"code":"ENOSPC"[^\n]*"hint"/);
    expect(events).to.contain('module 0').and.contain('VGA window').and.contain('"name":"disk"');
    child.kill('SIGINT');
    expect(await closed, stderr).to.deep.equal([0, null]);
    expect(stderr).to.equal('');
  });
});
