export function callLine(call: any): string {
  const f = call.failed === undefined ? {} : { failed: call.failed };
  return JSON.stringify(call.op === 'map' ? { target: call.target, op: 'map', range: call.request.range.toString(), region: call.request.region, type: call.request.type, writable: call.request.writable, fileOffset: '0x'+call.request.fileOffset.toString(16), ...f } : { target: call.target, op: 'unmap', range: call.range.toString(), ...f });
}
