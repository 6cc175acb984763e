import { expect } from 'chai';
import { runChild } from './support/child.js';

describe('the addon', () => {
  it('is not loaded before it is needed', () => {
    const result = runChild(`
      const loaded = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').some((line) => line.endsWith('/dma_streams.node'));
      const { Memfd } = await import(BINDING);
      const before = loaded();
      Memfd.create('x', 4096n).close();
      console.log(before, loaded());
    `);
    expect(result).to.include({ status: 0, stdout: 'false true' }, result.stderr);
  });

  it('that is missing is an error which says how to build it', () => {
    const result = runChild(
      `
      const { AddressSpace, Memfd } = await import(BINDING);
      for (const use of [() => Memfd.create('x', 4096n), () => Memfd.from(0, 'x'), () => new AddressSpace({ size: 4096n })]) {
        try { use(); } catch (error) {
          console.log(error.name, error.code, error.hint.includes('npm run build:native'), error.cause instanceof Error);
        }
      }
      `,
      { env: { DMA_STREAMS_PREBUILD: '/nonexistent' } },
    );
    expect(result.status, result.stderr).to.equal(0);
    expect(result.stdout.split('\n')).to.deep.equal(Array<string>(3).fill('DmaError ERR_ADDON_MISSING true true'));
  });
});
