import { readSync, writeSync } from 'node:fs';
import { DmaFault, DmaError } from '../streams/index.js';
export class LoggingTarget { name: string; constructor(o: any) { this.name = o.name; } mapDma() {} unmapDma() {} }
export class SoftIommuTarget { name: string; m: any[] = []; unmapShape: any = 'superset'; constructor(o: any) { this.name = o.name; if (o.model==='exact') this.unmapShape='exact'; }
  mapDma(r: any) { if (r.range.start >= 0xfee00000n && r.range.start < 0xfef00000n) throw new DmaError('reserved window', {code:'EINVAL'}); this.m.push(r); }
  unmapDma(r: any) { this.m = this.m.filter(x => !r.contains(x.range)); }
  find(a: bigint, acc: any) { const x = this.m.find(x => x.range.start <= a && a < x.range.end); if (!x) throw new DmaFault('no', a, acc); return x; }
  read(a: bigint, n: number) { const x = this.find(a,'read'); const b = Buffer.alloc(n); readSync(x.mappable.fd, b, 0, n, x.fileOffset + a - x.range.start); return b; }
  write(a: bigint, d: Uint8Array) { const x = this.find(a,'write'); if (!x.writable) throw new DmaFault('ro', a, 'write'); writeSync(x.mappable.fd, d, 0, d.length, Number(x.fileOffset + a - x.range.start)); }
}
