// Finds the links of a built site that lead nowhere, and what it would load from other hosts.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parse } from 'parse5';

/** Attributes that name another file. Of an `<a>` it may be at another host: nothing is loaded until a reader follows it. */
const ATTRIBUTES = ['href', 'src', 'poster', 'data', 'xlink:href'];

/**
 * The dead links of the site in a folder, as `PAGE: LINK`: files and anchors that are not there, and what is loaded from other hosts.
 *
 * @param folder the folder with `index.html`
 */
export function deadLinksOf(folder) {
  const pages = new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.html'))
      .sort()
      .map((file) => [join(folder, file), contentsOf(readFileSync(join(folder, file), 'utf8'))]),
  );
  return [...pages].flatMap(([page, { links }]) => [
    ...new Set(links.filter((link) => isDead(page, link, pages)).map(({ to }) => `${relative(folder, page)}: ${to}`)),
  ]);
}

function isDead(page, { to, isFollowed }, pages) {
  if (/^(?:[a-z][a-z\d+.-]*:|\/\/)/i.test(to)) {
    return !isFollowed && !to.startsWith('data:');
  }
  const [path, anchor] = to.split('#');
  const file = path === '' ? page : join(dirname(page), decodeURIComponent(path.split('?')[0]));
  if (!existsSync(file) || !statSync(file).isFile()) {
    return true;
  }
  return anchor !== undefined && anchor !== '' && pages.get(file)?.anchors.has(decodeURIComponent(anchor)) === false;
}

/** The links and the anchors of a page. */
function contentsOf(html) {
  const links = [];
  const anchors = new Set(['top']);
  const visit = (node) => {
    for (const { name, value, prefix } of node.attrs ?? []) {
      const attribute = prefix === undefined || prefix === '' ? name : `${prefix}:${name}`;
      if (attribute === 'id' || (attribute === 'name' && node.tagName === 'a')) {
        anchors.add(value);
      } else if (attribute === 'srcset') {
        links.push(...value.split(',').map((one) => ({ to: one.trim().split(/\s/)[0], isFollowed: false })));
      } else if (ATTRIBUTES.includes(attribute) && value !== '') {
        links.push({ to: value, isFollowed: node.tagName === 'a' });
      }
    }
    node.childNodes?.forEach(visit);
    node.content?.childNodes.forEach(visit);
  };
  visit(parse(html));
  return { links, anchors };
}
