import { html, nothing, type TemplateResult } from 'lit/html.js';
import type { Pages, WireMapping, WireRegion } from '../../../wire/messages.js';
import { overlapOf, regionDetails, regionsAt, targetDetails } from '../../model/details.js';
import { address, count, counted, duration, range, size } from '../../model/text.js';
import { isMapped } from '../../model/shown.js';
import { addresses, name, rangeButton } from '../parts.js';
import type { Store } from '../store.js';

const LISTED = 12;

/** All about what is selected, in the state that is shown. */
export function selectionPanel(store: Store): TemplateResult {
  const { selection, state } = store;
  if (selection === undefined) {
    return html`<p class="empty">
      <strong>Nothing is selected.</strong> Click on a mapping or a region, or search for an address or a name.
    </p>`;
  }
  const [start, end] = selection.pages;
  const mapping = selection.kind === 'mapping' ? state.mappings.get(start) : undefined;
  const region = selection.kind === 'region' ? state.regions.get(selection.region.key) : undefined;
  const gone =
    (selection.kind === 'mapping' && (mapping?.pages[1] !== end || mapping.region !== selection.mapping.region)) ||
    (selection.kind === 'region' && region === undefined);
  return html`<div class="details" data-selected=${selection.kind}>
    ${
      gone
        ? html`<p class="note">
            This ${selection.kind} is not in the state that is shown${store.back === undefined ? ' any more' : ''}.
          </p>`
        : nothing
    }
    ${
      selection.kind === 'mapping'
        ? mappingDetails(selection.mapping)
        : selection.kind === 'region'
          ? region === undefined
            ? html`<h2>Region ${name(selection.region.name, 80)}</h2>
                ${rangeFacts(selection.pages)}`
            : regionSection(store, region)
          : html`<h2>Addresses</h2>
              ${rangeFacts(selection.pages)} ${mappingsIn(store, selection.pages)}`
    }
    ${selection.kind === 'region' ? nothing : regionsOf(store, selection.pages)} ${targetsOf(store, selection.pages)}
  </div>`;
}

function rangeFacts([start, end]: Pages): TemplateResult {
  return html`<dl class="facts">
    <div>
      <dt>first address</dt>
      <dd class="address">${address(start)}</dd>
    </div>
    <div>
      <dt>end (not included)</dt>
      <dd class="address">${address(end)}</dd>
    </div>
    <div>
      <dt>size</dt>
      <dd>${size(end - start)} <small>(${counted(end - start, 'page')} of 4 KiB)</small></dd>
    </div>
  </dl>`;
}

function mappingDetails({ pages, region, type, writable }: WireMapping): TemplateResult {
  return html`<h2>Mapping of ${name(region, 80)}</h2>
    ${rangeFacts(pages)}
    <dl class="facts">
      <div>
        <dt>kind</dt>
        <dd>${type === 'ram' ? 'RAM' : 'device memory'}, ${writable ? 'writable' : 'read-only'}</dd>
      </div>
    </dl>`;
}

function regionSection(store: Store, region: WireRegion): TemplateResult {
  const { above, below, shown, mappings } = regionDetails(store.state, store.picture.shown, region);
  return html`<h2>Region ${name(region.name, 80)}</h2>
    ${rangeFacts(region.pages)}
    <dl class="facts">
      <div>
        <dt>kind</dt>
        <dd>${region.type === 'ram' ? 'RAM' : 'device'}, ${ACCESS[region.access]}</dd>
      </div>
      <div>
        <dt>priority</dt>
        <dd>${region.priority}</dd>
      </div>
      <div>
        <dt>holes</dt>
        <dd>
          ${region.holes === 'opaque' ? 'opaque: where it has no mapping, nothing shows' : 'transparent: where it has no mapping, what is below shows'}
        </dd>
      </div>
      ${
        !isMapped(region)
          ? html`<div>
              <dt>shows</dt>
              <dd>nothing: it is not mapped</dd>
            </div>`
          : html`<div>
              <dt>shows</dt>
              <dd>${showsText(region, shown, mappings.pages)}</dd>
            </div>`
      }
      <div>
        <dt>active mappings</dt>
        <dd>
          ${count(mappings.count)}${mappings.count === 0 ? nothing : html`, ${size(mappings.pages)}`}
          ${mappings.first
            .slice(0, LISTED)
            .map(
              (mapping) => html`<div>${rangeButton(store, { kind: 'mapping', pages: mapping.pages, mapping })}</div>`,
            )}
          ${more(mappings.count)}
        </dd>
      </div>
    </dl>
    ${regionList(store, 'Covered by', 'of higher rank: higher priority, or added earlier', above)}
    ${regionList(store, 'Covers', 'of lower rank', below)}`;
}

function showsText(region: WireRegion, shown: number, mapped: number): string {
  const total = region.pages[1] - region.pages[0];
  if (shown === 0) {
    return region.holes === 'opaque' ? 'nothing: it is hidden' : 'nothing';
  }
  const part = shown === total ? 'all of it' : `${size(shown)} of ${size(total)}`;
  return mapped < shown
    ? `${part}; ${mapped === 0 ? 'all' : size(shown - mapped)} of that is a hole, without a mapping`
    : part;
}

const ACCESS = { unmapped: 'not mapped', 'read-only': 'mapped read-only', writable: 'mapped writable' };

function regionList(
  store: Store,
  title: string,
  note: string,
  regions: readonly WireRegion[],
): TemplateResult | typeof nothing {
  return regions.length === 0
    ? nothing
    : html`<h3>${title} <small>${counted(regions.length, 'region')}, ${note}</small></h3>
        <ul class="plain">
          ${regions.slice(0, LISTED).map(
            (region) =>
              html`<li>
                ${rangeButton(store, { kind: 'region', pages: region.pages, region })} ${name(region.name)}
                <small
                  >priority
                  ${region.priority}${isMapped(region) ? '' : ', not mapped'}${region.holes === 'transparent' ? ', transparent holes' : ''}</small
                >
              </li>`,
          )}
          ${more(regions.length)}
        </ul>`;
}

function regionsOf(store: Store, pages: Pages): TemplateResult {
  const regions = regionsAt(store.state, pages);
  return regions.length === 0
    ? html`<h3>No region here</h3>`
    : html`${regionList(store, 'Regions here', 'by rank: the first one that is mapped shows', regions)}`;
}

function mappingsIn(store: Store, pages: Pages): TemplateResult {
  const { count: found, first, pages: mapped } = overlapOf(store.state.mappings, pages);
  return html`<h3>
      ${found === 0 ? 'No active mapping here' : html`Active mappings here <small>${count(found)}, ${size(mapped)}</small>`}
    </h3>
    <ul class="plain">
      ${first
        .slice(0, LISTED)
        .map(
          (mapping) =>
            html`<li>
              ${rangeButton(store, { kind: 'mapping', pages: mapping.pages, mapping })} ${name(mapping.region)}
            </li>`,
        )}
      ${more(found)}
    </ul>`;
}

function more(found: number): TemplateResult | typeof nothing {
  return found > LISTED ? html`<li>and ${count(found - LISTED)} more</li>` : nothing;
}

function targetsOf(store: Store, pages: Pages): TemplateResult | typeof nothing {
  const details = targetDetails(store.state, pages);
  const now = store.back === undefined ? store.now : store.state.at;
  return details.length === 0
    ? nothing
    : html`<h3>Targets</h3>
        <ul class="plain">
          ${details.map(
            ({ target, held, exceptions }) =>
              html`<li data-target=${target.key}>
                ${name(target.name)}:
                ${held > 0 ? html`holds ${size(held)}` : exceptions.length === 0 ? 'holds nothing here' : nothing}
                ${exceptions.map(
                  ({ kind, overlap }) =>
                    html`<span class="tag" data-kind=${kind}
                        >${size(overlap.pages)}
                        ${kind}${kind === 'stuck' && target.stuckSince !== undefined ? ` for ${duration(now - target.stuckSince)}` : ''}</span
                      >
                      ${overlap.first.slice(0, 3).map((exception) => rangeButton(store, addresses(exception.pages), range(exception.pages)))}`,
                )}
                ${target.pendingSince === undefined ? nothing : html`<span class="tag" data-kind="pending">no answer for ${duration(now - target.pendingSince)}</span>`}
              </li>`,
          )}
        </ul>`;
}
