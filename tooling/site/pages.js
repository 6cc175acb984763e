// Which pages the site has beside those of the API, in their order, and under which heading of the navigation.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The headings of the navigation, in their order. */
export const GROUPS = ['Guides', 'API, by import path', 'Reference', 'Examples', 'The project'];

/** What is under the other headings, in their order. */
const PAGES = {
  Reference: ['docs/troubleshooting.md', 'docs/kernel.md', 'docs/processes.md', 'SECURITY.md', 'docs/performance.md'],
  'The project': ['docs/architecture.md', 'docs/decisions/README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'],
};

/**
 * The guides, in the order in which `docs/guides/README.md` links to them, after itself.
 *
 * @throws Error if it does not link to one that is there
 */
export function guidesOf(root) {
  const folder = join(root, 'docs/guides');
  const overview = readFileSync(join(folder, 'README.md'), 'utf8');
  const linked = Array.from(overview.matchAll(/\]\(([\w.-]+\.md)(?:#[\w-]*)?\)/g), ([, name]) => name);
  const left = readdirSync(folder).filter(
    (name) => name.endsWith('.md') && name !== 'README.md' && !linked.includes(name),
  );
  if (left.length > 0) {
    throw new Error(
      `docs/guides/README.md does not link to ${left.join(', ')}: its links are the order of the guides.`,
    );
  }
  return ['README.md', ...new Set(linked)].map((name) => `docs/guides/${name}`);
}

/** All pages in their order, with their headings: paths below the folder of the project. */
export function pagesOf(root) {
  return [
    ...guidesOf(root).map((path) => ({ path, group: 'Guides' })),
    ...Object.entries(PAGES).flatMap(([group, paths]) => paths.map((path) => ({ path, group }))),
  ];
}

/** The pages below another one in the navigation: those of its folder. */
export function childrenOf(root, path) {
  return path === 'docs/decisions/README.md'
    ? readdirSync(join(root, dirname(path)))
        .filter((name) => /^\d{4}-.*\.md$/.test(name))
        .sort()
        .map((name) => join(dirname(path), name))
    : [];
}

/** The title of a page: its first heading, without markup. */
export function titleOf(text) {
  return (/^# (.+)$/m.exec(text)?.[1] ?? '').replaceAll('`', '');
}

/** The programs of `examples/`, each as the text of a page with all of its files. */
export function examplesOf(root) {
  const folder = join(root, 'examples');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => {
      const below = join(folder, basename(name, '.ts'));
      const parts = existsSync(below) ? readdirSync(below).sort() : [];
      const blocks = parts.map((part) => `## ${basename(below)}/${part}\n\n${codeOf(join(below, part))}`);
      return {
        path: join('examples', name),
        text: [`# ${name}\n`, codeOf(join(folder, name)), ...blocks].join('\n'),
      };
    });
}

function codeOf(path) {
  return `\`\`\`\`ts\n${readFileSync(path, 'utf8').trimEnd()}\n\`\`\`\`\n`;
}
