// Writes docs/troubleshooting.md from the sources; with --check, only says whether it is as it would be written.
//
// node tooling/troubleshooting/main.js [--check] [FILE]
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findingsOf } from './findings.js';
import { pageOf } from './page.js';

const root = join(import.meta.dirname, '../..');
const [path = join(root, 'docs/troubleshooting.md')] = process.argv.slice(2).filter((word) => word !== '--check');
const { LIBRARY_ERRORS } = await import(join(root, 'dist/streams/contracts/error-codes.js'));
const { ERRORS } = await import(join(root, 'dist/streams/contracts/errno.js'));
const page = pageOf(LIBRARY_ERRORS, ERRORS, findingsOf(root));

if (!process.argv.includes('--check')) {
  writeFileSync(path, page);
} else if (readFileSync(path, 'utf8') !== page) {
  console.error(`${resolve(path)} is not what the sources say: npm run docs:errors writes it.`);
  process.exitCode = 1;
}
