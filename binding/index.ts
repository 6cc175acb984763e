export { AddressSpace } from './address-space.js';
export { Memfd } from './memfd.js';
