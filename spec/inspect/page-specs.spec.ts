import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from '../../lab/paths.js';

describe('the page of the inspector', () => {
  it('has specs that need Chromium, and a command of their own', () => {
    console.warn('      NOT RUN: the specs of the page in Chromium (npm run test:page runs them)');
    const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    expect(scripts['test:page']).to.contain('--config .mocharc.page.json');
    expect(readFileSync(join(projectRoot, '.ci/run'), 'utf8')).to.contain('npm run test:page');
    const specs = readdirSync(join(projectRoot, 'spec/page')).filter((file) => file.endsWith('.spec.ts'));
    expect(specs).to.have.length.of.at.least(5);
  });
});
