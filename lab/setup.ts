/** `npm run lab:setup`: installs the Debian packages that the guest needs, and finds or builds its kernels. */
import { ensureKernel, KERNEL_VERSIONS } from './kernels.js';
import { installPackages } from './packages.js';

installPackages();
for (const version of KERNEL_VERSIONS) {
  console.log(`Linux ${version}: ${ensureKernel(version)}`);
}
console.log('The lab is ready: npm run lab -- dmesg');
