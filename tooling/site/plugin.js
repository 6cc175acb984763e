// What TypeDoc does not do by itself: titles and headings of the pages, pages of the examples, the picture, and a check of all links.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  Comment,
  CommentTag,
  Converter,
  DocumentReflection,
  JSX,
  KindRouter,
  MinimalSourceFile,
  ReflectionKind,
  Renderer,
} from 'typedoc';
import { deadLinksOf } from './dead-links.js';
import { childrenOf, examplesOf, GROUPS, pagesOf, titleOf } from './pages.js';

const root = join(import.meta.dirname, '../..');
const PICTURE = /^```\n[^`]*RegionManager ──[^`]*```$/m;

/** Opens the first headings of the navigation for readers who have not opened or closed them yet. */
const OPEN_AT_FIRST = `try {
  for (const name of ${JSON.stringify(GROUPS.slice(0, 3))}) {
    const key = 'tsd-accordion-' + name;
    localStorage.getItem(key) ?? localStorage.setItem(key, 'true');
  }
} catch {}`;

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.renderer.defineRouter('files', FileRouter);
  app.renderer.hooks.on('head.end', () =>
    JSX.createElement('script', null, JSX.createElement(JSX.Raw, { html: OPEN_AT_FIRST })),
  );

  const groups = new Map(pagesOf(root).map(({ path, group }) => [path, group]));

  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, page) => {
    const path = pathOf(page);
    if (path === undefined || !groups.has(path)) {
      return;
    }
    const title = titleOf(readFileSync(join(root, path), 'utf8'));
    page.name = title === groups.get(path) ? 'Overview' : title;
    page.frontmatter.group = groups.get(path);
    for (const child of childrenOf(root, path)) {
      const text = readFileSync(join(root, child), 'utf8');
      addPage(page, child, titleOf(text), text, {});
    }
  });

  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const { path, text } of examplesOf(root)) {
      addPage(project, path, titleOf(text), text, { group: 'Examples' });
    }
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      module.comment ??= new Comment();
      module.comment.blockTags.push(new CommentTag('@group', [{ kind: 'text', text: 'API, by import path' }]));
    }
  });

  // The start page has the picture of docs/pipeline.svg in place of the one that is drawn in characters.
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    const part = project.readme?.find(({ text }) => PICTURE.test(text));
    if (part === undefined) {
      app.logger.error('README.md has no picture of the pipeline, which the start page of the site replaces.');
      return;
    }
    const svg = readFileSync(join(root, 'docs/pipeline.svg'), 'utf8').replaceAll(/\n\s*/g, ' ').trim();
    part.text = part.text.replace(PICTURE, () => `<div class="pipeline">${svg}</div>`);
  });

  // TypeDoc links to the folder of the start page, which is a page only where a server makes it one.
  app.renderer.on(Renderer.EVENT_END_PAGE, (page) => {
    page.contents = page.contents?.replaceAll(/(<a href="(?:\.\.?\/)+)(?=[#"])/g, '$1index.html');
  });

  app.renderer.on(Renderer.EVENT_END, ({ outputDirectory }) => {
    for (const link of deadLinksOf(outputDirectory)) {
      app.logger.error(`dead link: ${link}`);
    }
  });

  function addPage(parent, path, name, text, frontmatter) {
    const absolute = join(root, path);
    const { content } = app.converter.parseRawComment(new MinimalSourceFile(text, absolute), parent.project.files);
    const page = new DocumentReflection(name, parent, content, frontmatter);
    parent.addChild(page);
    parent.project.registerReflection(page, undefined, absolute);
  }
}

/** The address of a page is that of its file, `guides/testing.html`: it stays when the title changes. */
class FileRouter extends KindRouter {
  getIdealBaseName(reflection) {
    const path = reflection.isDocument() ? pathOf(reflection) : undefined;
    return path === undefined
      ? super.getIdealBaseName(reflection)
      : path
          .replace(/^docs\//, '')
          .replace(/\.(?:md|ts)$/, '')
          .replace(/README$/, 'index')
          .toLowerCase();
  }
}

function pathOf(page) {
  const absolute = page.project.files.getReflectionPath(page);
  return absolute === undefined ? undefined : relative(root, absolute);
}
