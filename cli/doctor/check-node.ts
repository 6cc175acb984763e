import type { Check, DoctorFacts } from './report.js';

export function checkNode({ node, kernel, architecture }: DoctorFacts): Check {
  const { version, path, required, supported } = node;
  const name = 'Node.js';
  const says = `${version} on Linux ${kernel}, ${architecture}: ${path}`;
  return supported
    ? { name, state: 'works', says, cures: [] }
    : {
        name,
        state: 'fails',
        says: `${says}; the package requires ${required}`,
        cures: [{ says: `Install Node.js ${required.replace('>=', '')} or later.`, commands: [], root: false }],
      };
}
