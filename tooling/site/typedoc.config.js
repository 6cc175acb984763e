// The options of TypeDoc, which makes the site.
import { join } from 'node:path';
import { GROUPS, pagesOf } from './pages.js';

const root = join(import.meta.dirname, '../..');
const inRoot = (path) => join(root, path);

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'dma-streams',
  entryPoints: ['streams', 'targets', 'binding', 'sources', 'inspect', 'testing'].map((name) =>
    inRoot(`${name}/index.ts`),
  ),
  tsconfig: inRoot('tsconfig.json'),
  // `npm run build:ts` has checked the types.
  skipErrorChecking: true,
  basePath: root,
  out: inRoot('site'),
  readme: inRoot('README.md'),
  projectDocuments: pagesOf(root).map(({ path }) => inRoot(path)),
  plugin: [join(import.meta.dirname, 'plugin.js')],
  customCss: join(import.meta.dirname, 'site.css'),

  navigation: { includeGroups: true, includeCategories: false, includeFolders: false, excludeReferences: true },
  groupOrder: [...GROUPS, 'Classes', 'Interfaces', 'Type Aliases', 'Variables', 'Functions', '*'],
  sort: ['source-order'],
  useFirstParagraphOfCommentAsSummary: true,
  searchInDocuments: true,
  // A long page has a word as often as a short one, and counts less for it.
  searchGroupBoosts: { Guides: 3, Reference: 10 },
  searchInComments: true,
  visibilityFilters: {},
  sortEntryPoints: false,
  headings: { readme: false, document: false },
  router: 'files',
  hideGenerator: true,
  includeVersion: true,
  githubPages: false,

  excludePrivate: true,
  excludeInternal: true,
  intentionallyNotExported: ['ERRORS', 'OTHER_NAMES', 'LIBRARY_ERRORS'],
  highlightLanguages: ['bash', 'c', 'console', 'html', 'javascript', 'json', 'sh', 'typescript', 'ts', 'js', 'tsx'],
  treatValidationWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, rewrittenLink: true, invalidPath: true },
};
